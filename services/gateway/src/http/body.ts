import type { IncomingMessage } from 'node:http';
import { UserError } from '@capstan/domain';

/** Largest JSON body, bytes. */
export const MAX_BODY_BYTES = 1_048_576;

/**
 * Reads a request's JSON body; undefined when it has none.
 * @throws UserError 415 for another type or encoding, 413 beyond {@link MAX_BODY_BYTES}, 400 for what isn't JSON.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length === 0 && request.headers['transfer-encoding'] === undefined) return undefined;
  if (length > MAX_BODY_BYTES) throw tooLarge();
  const bytes = await collect(request);
  if (bytes.length === 0) return undefined;
  refuseOtherTypes(request);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new UserError('The body is not JSON', {
      code: 'malformed_json',
      status: 400,
      remedy: 'Send one JSON value in UTF-8.',
      cause: error,
    });
  }
}

function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (error: Error) => {
      request.removeListener('data', take);
      reject(error);
    };
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) stop(tooLarge());
      else chunks.push(chunk);
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', stop);
    request.once('aborted', () =>
      stop(new UserError('The request broke off', { code: 'request_aborted', status: 400 })),
    );
  });
}

function refuseOtherTypes(request: IncomingMessage): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((each) => each.trim()).find((each) => each.startsWith('charset='));
  const encoding = request.headers['content-encoding'] ?? 'identity';
  const json = /^application\/([\w.-]+\+)?json$/.test(type.trim());
  if (json && encoding === 'identity' && (charset === undefined || /^charset="?utf-?8"?$/.test(charset))) return;
  throw new UserError('The body must be application/json in UTF-8, not compressed', {
    code: 'unsupported_media_type',
    status: 415,
    remedy: 'Send the header Content-Type: application/json.',
  });
}

function tooLarge(): UserError {
  return new UserError(`The body is larger than ${MAX_BODY_BYTES} bytes`, {
    code: 'body_too_large',
    status: 413,
    remedy: 'Send less at a time.',
  });
}
