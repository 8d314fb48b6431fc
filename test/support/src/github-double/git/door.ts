import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { refChanges, refsMoved } from '../actions/pushes.js';
import { coversRepository } from '../bodies/repository.js';
import type { RepositoryRecord, TokenRecord } from '../model.js';
import { isGranted, mayByScope } from '../permissions.js';
import type { World } from '../world.js';
import { gitEnvironment } from './process.js';

const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

export interface GitRequest {
  readonly fullName: string;
  readonly service: 'git-upload-pack' | 'git-receive-pack';
  readonly endpoint: string;
}

/** What git wants, when the path is one of git's. */
export function gitRequestOf(url: URL): GitRequest | null {
  const match = GIT_PATH.exec(url.pathname);
  if (!match) return null;
  const [, owner, name, endpoint] = match as unknown as [string, string, string, string];
  const service = endpoint === 'info/refs' ? url.searchParams.get('service') : endpoint;
  if (service !== 'git-upload-pack' && service !== 'git-receive-pack') return null;
  return { fullName: `${owner}/${name}`, service, endpoint };
}

/** Smart HTTP by `git http-backend`, with GitHub's refusals in front and the consequences of a push behind. */
export class GitDoor {
  private readonly children = new Set<ChildProcessWithoutNullStreams>();

  constructor(private readonly world: World) {}

  /** Serves one request and answers its status; `loseAnswer` resets the connection after git has done its work. */
  async serve(
    wanted: GitRequest,
    request: IncomingMessage,
    response: ServerResponse,
    access: { url: URL; token: TokenRecord | null; badToken: boolean; loseAnswer: boolean },
  ): Promise<number> {
    const repository = this.world.repositories.get(wanted.fullName.toLowerCase());
    const refusal = refuse(wanted, repository, access);
    if (refusal || !repository) {
      const { status, message } = refusal ?? { status: 404, message: 'Repository not found.' };
      request.resume();
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        ...(status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {}),
      });
      response.end(message);
      return status;
    }
    if (wanted.endpoint !== 'git-receive-pack') {
      return this.run(repository, wanted, request, response, { ...access, login: access.token?.login ?? '' });
    }
    const login = access.token?.login ?? repository.owner;
    return repository.git.exclusively(async () => {
      const before = await repository.git.refs();
      return this.run(repository, wanted, request, response, {
        ...access,
        login,
        beforeEnd: async () => {
          await refsMoved(this.world, repository, login, refChanges(before, await repository.git.refs()));
        },
      });
    });
  }

  /** Ends every git that is still at work. */
  close(): void {
    for (const child of this.children) endGroup(child, 'SIGKILL');
  }

  private run(
    repository: RepositoryRecord,
    wanted: GitRequest,
    request: IncomingMessage,
    response: ServerResponse,
    options: { url: URL; login: string; loseAnswer: boolean; beforeEnd?: () => Promise<void> },
  ): Promise<number> {
    const env = gitEnvironment({
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROJECT_ROOT: repository.git.path,
      PATH_INFO: `/${wanted.endpoint}`,
      REQUEST_METHOD: request.method ?? 'GET',
      QUERY_STRING: options.url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      REMOTE_ADDR: '127.0.0.1',
      REMOTE_USER: options.login,
      ...(request.headers['content-length'] ? { CONTENT_LENGTH: request.headers['content-length'] } : {}),
      ...(request.headers['content-encoding'] ? { HTTP_CONTENT_ENCODING: request.headers['content-encoding'] } : {}),
      ...(request.headers['git-protocol'] ? { GIT_PROTOCOL: String(request.headers['git-protocol']) } : {}),
    });
    // It may have given up while it waited for its turn; nobody would ever end such a git's input.
    if (response.destroyed) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      const child = spawn('git', ['http-backend'], { env, cwd: repository.git.path, detached: true });
      this.children.add(child);
      const output = new CgiOutput((status, headers) => {
        if (!options.loseAnswer) response.writeHead(status, headers);
      });
      child.on('error', reject);
      child.stdin.on('error', () => undefined);
      request.pipe(child.stdin);
      response.on('close', () => {
        if (!response.writableFinished) endGroup(child, 'SIGTERM');
      });
      child.stderr.resume();
      child.stdout.on('data', (chunk: Buffer) => {
        const body = output.take(chunk);
        if (body.length === 0 || options.loseAnswer) return;
        if (!response.write(body)) {
          child.stdout.pause();
          response.once('drain', () => child.stdout.resume());
        }
      });
      child.on('close', () => {
        this.children.delete(child);
        const end = async (): Promise<number> => {
          await options.beforeEnd?.();
          if (options.loseAnswer) return (request.socket.resetAndDestroy(), 0);
          if (!response.headersSent) response.writeHead(500);
          response.end();
          return response.statusCode;
        };
        end().then(resolve, reject);
      });
    });
  }
}

/** With all that it started: what is left of it would hold on to its output, and the repository's turn would never end. */
function endGroup({ pid }: ChildProcessWithoutNullStreams, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Parts a CGI program's output into its head and its body. */
class CgiOutput {
  private head: Buffer | null = Buffer.alloc(0);

  constructor(private readonly onHead: (status: number, headers: Record<string, string>) => void) {}

  /** @returns the part of the chunk that is body. */
  take(chunk: Buffer): Buffer {
    if (this.head === null) return chunk;
    this.head = Buffer.concat([this.head, chunk]);
    const end = this.head.indexOf('\r\n\r\n');
    if (end < 0) return Buffer.alloc(0);
    const body = this.head.subarray(end + 4);
    const headers: Record<string, string> = {};
    let status = 200;
    for (const line of this.head.subarray(0, end).toString('latin1').split('\r\n')) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === 'status') status = Number.parseInt(value, 10);
      else headers[name] = value;
    }
    this.head = null;
    this.onHead(status, headers);
    return body;
  }
}

function refuse(
  wanted: GitRequest,
  repository: RepositoryRecord | undefined,
  access: { token: TokenRecord | null; badToken: boolean },
): { status: number; message: string } | null {
  const { token } = access;
  if (access.badToken) {
    const message = 'Invalid username or token. Password authentication is not supported for Git operations.';
    return { status: 401, message };
  }
  const isPush = wanted.service === 'git-receive-pack';
  if (!token && (isPush || !repository || repository.private))
    return { status: 401, message: 'Authentication required.' };
  if (!repository) return { status: 404, message: 'Repository not found.' };
  const covered = token !== null && coversRepository(token, repository);
  if (repository.private && !covered) return { status: 404, message: 'Repository not found.' };
  // GitHub has these words for fetches as well.
  if (covered && (isPush || repository.private) && !isGranted(token, 'contents', isPush ? 'write' : 'read'))
    return { status: 403, message: 'Write access to repository not granted.' };
  if (isPush && !(covered && token.permissions === 'write' && mayByScope(token.scopes, repository))) {
    return { status: 403, message: `Permission to ${repository.fullName}.git denied to ${token?.login ?? 'nobody'}.` };
  }
  return null;
}
