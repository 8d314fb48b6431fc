import type { IncomingMessage } from 'node:http';
import { UserError } from '@capstan/domain';

/**
 * Reads a request's body exactly as it arrived. Throws UserError 413 `too_large` as soon as it is known, and 400
 * `body_incomplete` when the sender went away or takes longer than `withinMs`: whoever drips must not keep a place.
 */
export async function readRawBody(request: IncomingMessage, maxBytes: number, withinMs: number): Promise<Buffer> {
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<never>((_, reject) => {
    const message = `The delivery did not arrive within ${withinMs / 1_000} s`;
    timer = setTimeout(() => reject(new UserError(message, { code: 'body_incomplete', status: 400 })), withinMs);
  });
  try {
    return await Promise.race([readWhole(request, maxBytes), slow]);
  } finally {
    clearTimeout(timer);
  }
}

function readWhole(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new UserError(`A delivery may have ${maxBytes} bytes at most`, { code: 'too_large', status: 413 });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        request.pause();
        chunks.length = 0;
        return reject(tooLarge());
      }
      chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', (cause) =>
      reject(new UserError('The delivery broke off', { code: 'body_incomplete', status: 400, cause })),
    );
    request.on('close', () => {
      if (!request.complete) reject(new UserError('The delivery broke off', { code: 'body_incomplete', status: 400 }));
    });
  });
}
