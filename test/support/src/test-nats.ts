import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { serverSetting } from './servers.config.js';

/** The server that all spec files of a run share, and a prefix of one's own for subjects, streams and consumers. */
export function testNats(): { readonly url: string; readonly prefix: string } {
  return { url: serverSetting('CAPSTAN_TEST_NATS_URL'), prefix: `spec_${randomBytes(5).toString('hex')}` };
}

export interface OwnNats {
  /** The same over kill and start. */
  readonly url: string;
  /** SIGKILL: what was not flushed is lost, as in a crash. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and streams; resolves when it accepts connections. */
  start(): Promise<void>;
  /** Forgets every stream and consumer. While it runs it notices with its next block of messages at the earliest. */
  wipe(): void;
  /** SIGSTOP: it holds its connections and answers nobody. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  close(): Promise<void>;
}

/**
 * A nats-server with JetStream of one's own (about 50 ms, 15 MB), for specs that use the product's real streams or
 * kill the server. It dies with the spec's process.
 */
export async function ownNats(): Promise<OwnNats> {
  const binary = serverSetting('CAPSTAN_TEST_NATS_BINARY');
  const directory = mkdtempSync(join(tmpdir(), 'capstan-nats-'));
  const port = await unusedPort();
  const password = randomBytes(12).toString('hex');
  const config = join(directory, 'nats.conf');
  const storeDir = join(directory, 'store');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(storeDir)} }\n` +
      `authorization { user: capstan, password: "${password}" }\n`,
    { mode: 0o600 },
  );
  let child: ChildProcess | undefined;
  const endWithMe = () => void child?.kill('SIGKILL');
  process.once('exit', endWithMe);
  const server: OwnNats = {
    url: `nats://capstan:${password}@127.0.0.1:${port}`,
    async start() {
      const started = spawn(binary, ['-c', config], { stdio: 'ignore' });
      child = started;
      await eventually(() => {
        if (started.exitCode !== null) throw new Error(`nats-server ended with ${started.exitCode}`);
        return accepts(port);
      });
    },
    async kill() {
      const dying = child;
      child = undefined;
      if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
      const gone = new Promise((resolve) => dying.once('exit', resolve));
      dying.kill('SIGKILL');
      await gone;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    wipe: () => rmSync(storeDir, { recursive: true, force: true }),
    async close() {
      process.removeListener('exit', endWithMe);
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

function unusedPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
