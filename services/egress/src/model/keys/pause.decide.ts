import { z } from 'zod';

/** Where a provider says nothing of when its limit ends. ms */
const DEFAULT_MS = 30_000;
/** The same of a provider that is only overloaded (503, 529): it isn't the key's limit. ms */
export const OVERLOADED_MS = 5_000;
/** Longest pause: what lasts longer is looked at again then. ms */
const MAX_MS = 3_600_000;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** How long a key is left alone after an answer 429, 503 or 529. ms */
export function pauseMs(status: number, headers: Headers, body: string, now: number): number {
  const told = retryAfter(headers, now) ?? anthropicReset(headers, now) ?? inBody(body);
  return Math.min(MAX_MS, Math.max(0, told ?? (status === 429 ? DEFAULT_MS : OVERLOADED_MS)));
}

function retryAfter(headers: Headers, now: number): number | undefined {
  const inMs = Number(first(headers['retry-after-ms']) ?? NaN);
  if (inMs >= 0) return inMs;
  const text = first(headers['retry-after'])?.trim();
  if (text === undefined || text === '') return undefined;
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : until(Date.parse(text), now);
}

/** `anthropic-ratelimit-unified-reset` has seconds since 1970; the resets of single limits have dates, and only a limit with nothing left counts. */
function anthropicReset(headers: Headers, now: number): number | undefined {
  const unified = first(headers['anthropic-ratelimit-unified-reset']);
  if (unified !== undefined && /^\d+$/.test(unified)) return until(Number(unified) * 1_000, now);
  const resets = Object.keys(headers).flatMap((name) => {
    const [, limit] = /^anthropic-ratelimit-(.+)-reset$/.exec(name) ?? [];
    if (limit === undefined || first(headers[`anthropic-ratelimit-${limit}-remaining`]) !== '0') return [];
    return until(Date.parse(first(headers[name]) ?? ''), now) ?? [];
  });
  return resets.length === 0 ? undefined : Math.max(...resets);
}

const Body = z.object({
  error: z.object({
    code: z.unknown(),
    details: z.array(z.object({ retryDelay: z.string().optional().catch(undefined) })).catch([]),
  }),
});

/** Gemini says it in the body (`retryDelay: "34s"`); an account of OpenAI without credit gets none by waiting. */
function inBody(text: string): number | undefined {
  const parsed = Body.safeParse(json(text));
  if (!parsed.success) return undefined;
  const { code, details } = parsed.data.error;
  if (code === 'insufficient_quota') return MAX_MS;
  const delay = details.map(({ retryDelay }) => /^(\d+(?:\.\d+)?)s$/.exec(retryDelay ?? '')?.[1]).find(Boolean);
  return delay === undefined ? undefined : Number(delay) * 1_000;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a gateway's page: it says nothing of the limit
  }
}

function until(at: number, now: number): number | undefined {
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
