import { StringDecoder } from 'node:string_decoder';
import type { ReadAnswer, Seen } from './answer-usage.js';

/** A line or a body beyond this isn't read, characters; the stream goes on. */
const MAX_TEXT = 16 * 1_048_576;

/** Reads along what an answer tells of its tokens. It only looks: nothing waits for it, nothing fails because of it. */
export class UsageTap {
  private readonly decoder = new StringDecoder('utf8');
  private readonly events: boolean;
  private readonly readable: boolean;
  private parts: string[] = [];
  private length = 0;
  private tooLong = false;
  private seen: Seen = {};

  constructor(
    private readonly read: ReadAnswer,
    { contentType, contentEncoding }: { readonly contentType: string; readonly contentEncoding: string },
  ) {
    this.events = /^text\/event-stream\b/i.test(contentType);
    this.readable =
      (this.events || /\bjson\b/i.test(contentType)) && (contentEncoding === '' || contentEncoding === 'identity');
  }

  write(chunk: Buffer): void {
    if (!this.readable) return;
    const text = this.decoder.write(chunk);
    if (!this.events) return this.keep(text);
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      this.keep(line);
      if (index < lines.length - 1) this.event();
    }
  }

  /** What the answer told, whether it came to its end or not. */
  end(): Seen {
    if (this.events) this.event();
    else this.value(this.taken());
    return this.seen;
  }

  private keep(text: string): void {
    this.length += text.length;
    this.tooLong ||= this.length > MAX_TEXT;
    if (this.tooLong) this.parts = [];
    else if (text !== '') this.parts.push(text);
  }

  private taken(): string {
    const text = this.parts.join('');
    this.parts = [];
    this.length = 0;
    this.tooLong = false;
    return text;
  }

  private event(): void {
    const line = this.taken();
    if (line.startsWith('data:')) this.value(line.slice('data:'.length));
  }

  private value(text: string): void {
    // Most events tell nothing of tokens, and need not be understood.
    if (!text.includes('"usage')) return;
    try {
      this.seen = this.read(JSON.parse(text), this.seen);
    } catch {
      return; // cut off in the middle, or no JSON: what was told before stands
    }
  }
}
