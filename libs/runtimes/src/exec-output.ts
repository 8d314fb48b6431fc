import { TransientError, UserError } from '@capstan/domain';
import type { ExecRequest, ExecResult, ExecStream } from './runtime.port.js';

/** Most stdout that an exec collects, bytes. */
export const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Reads a stream to its end, within the request's time and the size that an exec may answer. */
export async function collectOutput(stream: ExecStream, request: ExecRequest): Promise<ExecResult> {
  const parts: Buffer[] = [];
  let size = 0;
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    stream.close();
  };
  const { timeoutMs } = request;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => fail(new TransientError(`no answer in ${timeoutMs} ms`, { code: 'exec_timeout' })), timeoutMs);
  stream.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) parts.push(chunk);
    else fail(new UserError(`more than ${MAX_OUTPUT_BYTES} bytes of output`, { code: 'exec_output_too_large' }));
  });
  try {
    const { code, stderr } = await stream.exit;
    if (failure !== undefined) throw failure;
    return { code, stdout: Buffer.concat(parts, size), stderr };
  } catch (error) {
    throw failure ?? error;
  } finally {
    clearTimeout(timer);
  }
}
