import { MAX_LINE_BYTES } from '@capstan/domain';

/** One line of output. `cut` says that only its beginning was kept. */
export interface OutputLine {
  readonly text: string;
  readonly cut: boolean;
}

const NEWLINE = 0x0a;

/**
 * Turns a byte stream in chunks of any size into lines, each exactly once and in order. A line longer than `maxBytes`
 * keeps its first bytes, up to a whole character. Bytes that aren't UTF-8 become U+FFFD. Holds at most one line.
 */
export class LineSplitter {
  private parts: Buffer[] = [];
  private held = 0;
  private cut = false;

  constructor(private readonly maxBytes: number = MAX_LINE_BYTES) {}

  /** Lines that `chunk` completed. */
  push(chunk: Buffer): OutputLine[] {
    const lines: OutputLine[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.hold(chunk.subarray(start, end));
      lines.push(this.take());
      start = end + 1;
    }
    // A copy: what is held must not keep the pipe's whole read buffer alive, nor change under us.
    if (start < chunk.length) this.hold(Buffer.from(chunk.subarray(start)));
    return lines;
  }

  /** The last line when the stream ended without a newline. */
  end(): OutputLine[] {
    return this.held === 0 && !this.cut ? [] : [this.take()];
  }

  private hold(bytes: Buffer): void {
    const room = this.maxBytes - this.held;
    if (bytes.length > room) this.cut = true;
    const kept = bytes.length > room ? bytes.subarray(0, room) : bytes;
    if (kept.length === 0) return;
    this.parts.push(kept);
    this.held += kept.length;
  }

  private take(): OutputLine {
    const bytes = this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts, this.held);
    const { cut } = this;
    this.parts = [];
    this.held = 0;
    this.cut = false;
    return { text: bytes.toString('utf8', 0, cut ? characterBoundary(bytes) : bytes.length), cut };
  }
}

/** Length of `bytes` without a character that the cut left incomplete at its end. */
function characterBoundary(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const width = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return width > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
