import { SUPERVISOR_EXIT } from '@capstan/domain';
import { SupervisorFault } from './fault.js';

/** Longest request, bytes: a prompt with everything that a ticket brings. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The request: the first line of stdin. End of input is never waited for, because Kubernetes' exec can't send it;
 * where it comes before a newline, what there is counts as the line.
 */
export async function readRequest<T>(): Promise<T> {
  const lines = new RequestLines();
  try {
    return await lines.next<T>();
  } finally {
    lines.close();
  }
}

/** Requests on stdin, one line each, where more than one comes. To be closed: an open stdin keeps the process alive. */
export class RequestLines {
  private parts: Buffer[] = [];
  private size = 0;
  private ended = false;
  private failure: Error | undefined;
  private wake: () => void = () => undefined;

  constructor(private readonly input: NodeJS.ReadStream = process.stdin) {
    input.on('data', (chunk: Buffer) => {
      this.parts.push(chunk);
      this.size += chunk.length;
      // What came before holds no newline, or the reader has been woken already.
      if (chunk.includes(NEWLINE) || this.size > MAX_REQUEST_BYTES) this.wake();
    });
    input.once('end', () => {
      this.ended = true;
      this.wake();
    });
    input.once('error', (error) => {
      this.failure = error;
      this.wake();
    });
  }

  async next<T>(): Promise<T> {
    const text = await this.line();
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new SupervisorFault('bad_request', 'the request on stdin must be one line of JSON', SUPERVISOR_EXIT.usage);
    }
  }

  close(): void {
    this.input.destroy();
  }

  private async line(): Promise<string> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const last = this.parts.findIndex((part) => part.includes(NEWLINE));
      if (last >= 0 || this.ended) return this.take();
      if (this.size > MAX_REQUEST_BYTES) {
        throw new SupervisorFault('bad_request', 'the request is too long', SUPERVISOR_EXIT.usage);
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private take(): string {
    const all = Buffer.concat(this.parts, this.size);
    const end = all.indexOf(NEWLINE);
    const line = end < 0 ? all : all.subarray(0, end);
    const rest = end < 0 ? Buffer.alloc(0) : all.subarray(end + 1);
    this.parts = rest.length > 0 ? [rest] : [];
    this.size = rest.length;
    return line.toString('utf8');
  }
}
