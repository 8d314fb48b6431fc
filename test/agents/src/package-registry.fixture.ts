import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gate } from './gate.fixture.js';

/** The package that is not answered before its gate is open, and the one of which a part comes before that. */
export const UNANSWERED = 'widget';
export const HALVED = 'gadget';
/** That part, bytes. */
export const FIRST_PART = 65_536;

/** A registry of packages with two packages, each held back at a gate of its own. */
export class PackageRegistry {
  readonly unanswered = new Gate();
  readonly halved = new Gate();
  /** How often each package itself was asked for. */
  readonly asked = new Map<string, number>();
  private readonly tarballs = new Map([UNANSWERED, HALVED].map((name) => [name, packed(name)]));

  private constructor(private readonly server: Server) {}

  static async start(): Promise<PackageRegistry> {
    const server = createServer();
    const registry = new PackageRegistry(server);
    server.on('request', (request, response) => void registry.answer(request.url ?? '', response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  get url(): string {
    return `http://${this.host}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(path: string, response: ServerResponse): Promise<void> {
    const [, name = '', isTarball] = /^\/(\w+)(\/-\/.+\.tgz)?$/.exec(path) ?? [];
    const tarball = this.tarballs.get(name);
    if (tarball === undefined) return void response.writeHead(404).end('{}');
    if (isTarball === undefined) return void response.end(this.packument(name, tarball));
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    if (name === UNANSWERED) await this.unanswered.pass();
    response.writeHead(200, { 'content-length': tarball.length });
    response.write(tarball.subarray(0, FIRST_PART));
    if (name === HALVED) await this.halved.pass();
    response.end(tarball.subarray(FIRST_PART));
  }

  private packument(name: string, tarball: Buffer): string {
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    const dist = { tarball: `${this.url}/${name}/-/${name}-1.0.0.tgz`, integrity };
    const versions = { '1.0.0': { name, version: '1.0.0', dist } };
    return JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions });
  }
}

/** What can't be made smaller, so that it comes in several parts. */
function packed(name: string): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'capstan-package-'));
  try {
    mkdirSync(join(dir, 'package'));
    writeFileSync(join(dir, 'package', 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
    writeFileSync(join(dir, 'package', 'index.js'), `// ${randomBytes(2 * FIRST_PART).toString('base64')}\n`);
    return execFileSync('tar', ['-czf', '-', '-C', dir, 'package']);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
