import { SUPERVISOR_EXIT } from '@capstan/domain';
import { SupervisorFault } from './fault.js';

/** Longest request, bytes: a prompt with everything that a ticket brings. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

/**
 * The request: the first line of stdin. End of input is never waited for, because Kubernetes' exec can't send it;
 * where it comes before a newline, what there is counts as the line.
 */
export async function readRequest<T>(): Promise<T> {
  const text = await firstLine(process.stdin);
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new SupervisorFault('bad_request', 'the request on stdin must be one line of JSON', SUPERVISOR_EXIT.usage);
  }
}

function firstLine(input: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const finish = (): void => {
      input.destroy();
      resolve(Buffer.concat(parts).toString('utf8'));
    };
    input.on('data', (chunk: Buffer) => {
      const end = chunk.indexOf(0x0a);
      parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (end >= 0) finish();
      else if (size > MAX_REQUEST_BYTES) {
        reject(new SupervisorFault('bad_request', 'the request is too long', SUPERVISOR_EXIT.usage));
      }
    });
    input.once('end', finish);
    input.once('error', reject);
  });
}
