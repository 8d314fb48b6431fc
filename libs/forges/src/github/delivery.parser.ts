import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ForgeDelivery } from '../forge.port.js';

type Headers = Readonly<Record<string, string | undefined>>;

/** True only for a body signed with the secret. Takes the same time wherever a signature differs. */
export function verifyGitHubDelivery(secret: string, headers: Headers, body: Uint8Array): boolean {
  const given = /^sha256=([0-9a-f]{64})$/i.exec(header(headers, 'x-hub-signature-256') ?? '')?.[1];
  if (secret === '' || given === undefined) return false;
  const expected = createHmac('sha256', secret).update(body).digest();
  return timingSafeEqual(Buffer.from(given, 'hex'), expected);
}

/** What a delivery is about. A shape that isn't known gives empty lists: whoever is woken reads the state anyway. */
export function readGitHubDelivery(headers: Headers, body: Uint8Array): ForgeDelivery {
  const id = header(headers, 'x-github-delivery');
  const event = header(headers, 'x-github-event') ?? 'unknown';
  const payload = parseBody(header(headers, 'content-type') ?? '', body);
  const action = text(payload, 'action');
  const fullName = text(payload, 'repository', 'full_name');
  return {
    ...(id !== undefined && { id }),
    event,
    ...(action !== undefined && { action }),
    ...(fullName !== undefined && { fullName }),
    ...touched(event, payload),
  };
}

type Touched = Pick<ForgeDelivery, 'pullRequests' | 'branches' | 'issue'>;
const NOTHING: Touched = { pullRequests: [], branches: [] };

function touched(event: string, payload: unknown): Touched {
  switch (event) {
    case 'pull_request':
    case 'pull_request_review':
    case 'pull_request_review_comment':
    case 'pull_request_review_thread':
      return {
        pullRequests: numbers(at(payload, 'pull_request', 'number')),
        branches: texts(at(payload, 'pull_request', 'head', 'ref'), at(payload, 'pull_request', 'base', 'ref')),
      };
    case 'check_run':
      return suite(at(payload, 'check_run', 'check_suite'), at(payload, 'check_run', 'pull_requests'));
    case 'check_suite':
      return suite(at(payload, 'check_suite'), at(payload, 'check_suite', 'pull_requests'));
    case 'status':
      return {
        pullRequests: [],
        branches: texts(...list(at(payload, 'branches')).map((branch) => at(branch, 'name'))),
      };
    case 'push':
      return { pullRequests: [], branches: texts(branchOfRef(text(payload, 'ref'))) };
    case 'issues':
      return issue(payload);
    case 'issue_comment':
      // GitHub's pull requests are issues too, and their comments arrive as this.
      return at(payload, 'issue', 'pull_request') === undefined
        ? issue(payload)
        : { pullRequests: numbers(at(payload, 'issue', 'number')), branches: [] };
    default:
      return NOTHING;
  }
}

function suite(checkSuite: unknown, pullRequests: unknown): Touched {
  return {
    pullRequests: numbers(...list(pullRequests).map((each) => at(each, 'number'))),
    branches: texts(at(checkSuite, 'head_branch')),
  };
}

function issue(payload: unknown): Touched {
  const [number] = numbers(at(payload, 'issue', 'number'));
  return number === undefined ? NOTHING : { ...NOTHING, issue: number };
}

function branchOfRef(ref: string | undefined): string | undefined {
  return ref?.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined;
}

/** Hooks may be set up to send JSON, or JSON in a form field. */
function parseBody(contentType: string, body: Uint8Array): unknown {
  const raw = Buffer.from(body).toString();
  const json = contentType.startsWith('application/x-www-form-urlencoded')
    ? new URLSearchParams(raw).get('payload')
    : raw;
  try {
    return JSON.parse(json ?? '') as unknown;
  } catch {
    return undefined; // verified and still no JSON: the delivery is kept, and touches nothing
  }
}

function header(headers: Headers, name: string): string | undefined {
  return headers[name] ?? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

function text(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function numbers(...values: readonly unknown[]): readonly number[] {
  return [...new Set(values.filter((each): each is number => Number.isSafeInteger(each) && (each as number) > 0))];
}

function texts(...values: readonly unknown[]): readonly string[] {
  return [...new Set(values.filter((each): each is string => typeof each === 'string' && each !== ''))];
}
