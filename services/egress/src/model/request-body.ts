import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** Bodies up to this are kept for another try with another key, bytes; a larger one is sent once. */
export const MAX_KEPT_BYTES = 32 * 1_048_576;
/** Of all calls together, bytes: the service lives in the memory of its host. */
const MAX_ALL_BYTES = 256 * 1_048_576;

/** What all calls keep at the same time. */
export class KeptBytes {
  private sum = 0;

  constructor(private readonly max: number = MAX_ALL_BYTES) {}

  take(bytes: number): boolean {
    if (this.sum + bytes > this.max) return false;
    this.sum += bytes;
    return true;
  }

  give(bytes: number): void {
    this.sum -= bytes;
  }
}

/** A body on its way to a provider. */
export type SentBody = Pick<RequestBody, 'repeatable' | 'beginning' | 'lengthHeader' | 'sendTo'>;

/** The body of a call: whole in memory, or its beginning with the rest still to come. */
export class RequestBody {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private whole = false;

  private constructor(
    private readonly request: IncomingMessage,
    private readonly kept: KeptBytes,
  ) {}

  /** Reads until the end or until it is too much to keep. Rejects when the client goes away. Call {@link release} at the end. */
  static async read(request: IncomingMessage, kept: KeptBytes): Promise<RequestBody> {
    const body = new RequestBody(request, kept);
    try {
      await body.fill();
      return body;
    } catch (error) {
      body.release();
      throw error;
    }
  }

  /** Whether it can be sent again. */
  get repeatable(): boolean {
    return this.whole;
  }

  /** What is in memory of it. */
  get beginning(): Buffer {
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
  }

  /** How the length is said, as name and value. */
  get lengthHeader(): readonly [string, string] | readonly [] {
    const { headers, method } = this.request;
    if (this.whole) return this.bytes > 0 || method === 'POST' ? ['Content-Length', String(this.bytes)] : [];
    const told = headers['content-length'];
    return told === undefined ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', told];
  }

  /** Sends it, and tells of each piece how long it is. Once only, unless it is repeatable. */
  sendTo(upstream: Writable, count: (bytes: number) => void): void {
    count(this.bytes);
    for (const chunk of this.chunks) upstream.write(chunk);
    if (this.whole) {
      upstream.end();
      return;
    }
    this.release();
    this.request.on('data', (chunk: Buffer) => count(chunk.length));
    this.request.pipe(upstream);
  }

  /** Lets go of what is kept. */
  release(): void {
    this.kept.give(this.bytes);
    this.bytes = 0;
    this.chunks.length = 0;
  }

  private fill(): Promise<void> {
    const { request } = this;
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
        end();
      };
      const onData = (chunk: Buffer): void => {
        const fits = this.bytes + chunk.length <= MAX_KEPT_BYTES && this.kept.take(chunk.length);
        // Beyond the bound this one piece is held uncounted, and the stream stands still.
        this.chunks.push(chunk);
        if (fits) this.bytes += chunk.length;
        else settle(() => void (request.pause(), resolve()));
      };
      const onEnd = (): void => settle(() => ((this.whole = true), resolve()));
      const onClose = (): void => settle(() => reject(new Error('the client went away')));
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
    });
  }
}
