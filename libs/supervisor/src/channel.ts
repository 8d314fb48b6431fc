import { Socket } from 'node:net';
import type { Boundary, LaunchRequest } from '@capstan/domain';
import { LineSplitter } from './line-splitter.js';

/** Descriptor under which a process inside a boundary finds its keeper. */
export const CHANNEL_FD = 3;

/** What the keeper says, in this order: `open`, `start`, then signals. */
export type KeeperWord =
  /** `namespace` is the keeper's PID namespace: whoever is in the same one isn't inside. */
  | { readonly open: { readonly namespace: string; readonly relay?: NonNullable<Boundary['relay']> } }
  | { readonly start: { readonly root: string; readonly request: Omit<LaunchRequest, 'boundary'> } }
  /** `interrupt`: SIGINT to the agent's group. `end`: SIGTERM to everything inside. */
  | { readonly ask: 'interrupt' | 'end' };

/** What the process inside answers. Claims, like all that comes from there: the agent could have said it. */
export type InnerWord =
  | { readonly started: true }
  | { readonly failed: string }
  | { readonly exit: { readonly code: number | null; readonly signal: string | null } };

/** Longest word taken from inside, bytes. What is said to the inside is a whole request, with its files. */
const MAX_INNER_BYTES = 65_536;
const MAX_KEEPER_BYTES = 64 * 1024 * 1024;

/** Lines of JSON over a socket pair. */
export class Channel<Said extends object, Heard extends object> {
  private constructor(private readonly socket: Socket) {}

  /** The keeper's end. */
  static outside(socket: Socket, heard: (word: InnerWord) => void): Channel<KeeperWord, InnerWord> {
    return new Channel<KeeperWord, InnerWord>(socket).listen(MAX_INNER_BYTES, innerWord, heard);
  }

  /** The end of the process inside; calls `closed` when nobody is at the other end any more. */
  static inside(heard: (word: KeeperWord) => void, closed: () => void): Channel<InnerWord, KeeperWord> {
    const socket = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
    socket.once('close', closed);
    const channel = new Channel<InnerWord, KeeperWord>(socket);
    return channel.listen(MAX_KEEPER_BYTES, (text) => JSON.parse(text) as KeeperWord, heard);
  }

  /** Answers when it was handed to the system, or can't be any more. */
  say(word: Said): Promise<void> {
    return new Promise((done) => {
      if (!this.socket.writable) return done();
      this.socket.write(`${JSON.stringify(word)}\n`, () => done());
    });
  }

  private listen(maxBytes: number, parse: (text: string) => Heard | undefined, heard: (word: Heard) => void): this {
    const splitter = new LineSplitter(maxBytes);
    this.socket.on('data', (chunk: Buffer) => {
      for (const { text } of splitter.push(chunk)) {
        const word = parse(text);
        if (word !== undefined) heard(word);
      }
    });
    // Its end is what counts, and that is told by `close`.
    this.socket.on('error', () => undefined);
    return this;
  }
}

function innerWord(text: string): InnerWord | undefined {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof said !== 'object' || said === null) return undefined;
  if ('started' in said) return { started: true };
  if ('failed' in said) return { failed: String(said.failed).slice(0, 2_000) };
  if (!('exit' in said) || typeof said.exit !== 'object' || said.exit === null) return undefined;
  const { code, signal } = said.exit as { code?: unknown; signal?: unknown };
  return {
    exit: {
      code: typeof code === 'number' && Number.isInteger(code) ? code : null,
      signal: typeof signal === 'string' ? signal.slice(0, 16) : null,
    },
  };
}
