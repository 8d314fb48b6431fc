import type { CompatiblePlace } from './keys/keys.decide.js';
import type { RequestBody, SentBody } from './request-body.js';

/** A call as a place is asked: path after `/model/PROVIDER` with its query, and body. */
interface PlacedCall {
  readonly rest: string;
  readonly body: SentBody;
}

const IN_PATH = /(\/models\/)([^/:?]+)(:)/;

/**
 * The call with the names that its model has at a place: in the path, where Gemini's protocol has it, else in the body.
 * Null where that can't be done, for the body is too long to be kept. Nothing else of it changes.
 */
export function renamedCall(rest: string, body: RequestBody, { models }: CompatiblePlace): PlacedCall | null {
  const nameOf = (asked: string): string => (Object.hasOwn(models, asked) ? models[asked]! : (models['*'] ?? asked));
  if (Object.keys(models).length === 0) return { rest, body };
  const inPath = IN_PATH.exec(rest)?.[2];
  if (inPath !== undefined)
    return {
      rest: rest.replace(IN_PATH, (_all, before, asked: string, after) => before + nameOf(asked) + after),
      body,
    };
  if (!body.repeatable) return null;
  const asked = objectIn(body.beginning);
  const model = asked?.['model'];
  return typeof model === 'string' ? { rest, body: wholeBody({ ...asked, model: nameOf(model) }) } : { rest, body };
}

function objectIn(bytes: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // no JSON: it names no model, and the place says what it thinks of it
  }
}

function wholeBody(value: object): SentBody {
  const bytes = Buffer.from(JSON.stringify(value));
  return {
    repeatable: true,
    beginning: bytes,
    lengthHeader: ['Content-Length', String(bytes.length)],
    sendTo(upstream, count) {
      count(bytes.length);
      upstream.end(bytes);
    },
  };
}
