import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';

interface Sign {
  readonly port: number;
  readonly word: string;
  readonly pid: number;
}

/**
 * Says that a demo runs here: a file that names a port which answers with a word. A demo that was killed leaves the file
 * and no answer, so it never stands in the way of the next one, whatever process has its number by now.
 */
export class Presence {
  private constructor(private readonly server: Server) {}

  /** Puts up the sign. */
  static async announce(file: string): Promise<Presence> {
    const word = randomUUID();
    const server = createServer((socket) => {
      socket.on('error', () => undefined); // who asked has gone: nothing is owed
      socket.end(word);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const sign: Sign = { port: (server.address() as AddressInfo).port, word, pid: process.pid };
    writeFileSync(file, JSON.stringify(sign), { mode: 0o600 });
    return new Presence(server);
  }

  /** The process of the demo that runs here, or undefined. */
  static async find(file: string): Promise<number | undefined> {
    const sign = readSign(file);
    return sign !== undefined && (await heard(sign.port)) === sign.word ? sign.pid : undefined;
  }

  async end(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function readSign(file: string): Sign | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Sign;
  } catch {
    return undefined; // none, or torn by a crash
  }
}

const ANSWERS_WITHIN_MS = 1_000;

function heard(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1', timeout: ANSWERS_WITHIN_MS });
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => undefined); // nobody listens: "close" follows, with nothing heard
    socket.on('close', () => resolve(text));
  });
}
