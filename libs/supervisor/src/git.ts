import { spawn, spawnSync } from 'node:child_process';
import { SupervisorFault } from './fault.js';

/** Configuration of every git that Capstan runs: nothing that a repository says may start a program. */
const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.untrackedCache': 'false',
  'core.attributesFile': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.commitGraph': 'false',
  'core.multiPackIndex': 'false',
  'core.pager': 'cat',
  'core.quotePath': 'false',
  'credential.helper': '',
  'commit.gpgSign': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'submodule.recurse': 'false',
  'advice.detachedHead': 'false',
  'http.lowSpeedLimit': '100',
  'http.lowSpeedTime': '60',
};

export interface GitOptions {
  readonly cwd?: string;
  /** Transports that git may use, e.g. `https:http:file`; none unless said: a hostile remote could name a program. */
  readonly protocols?: string;
  readonly config?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
  /** `raw` hands git our own stdout. */
  readonly stdout?: 'raw';
  /** Exit codes besides 0 that are answers, not failures. */
  readonly allowed?: readonly number[];
}

export interface GitResult {
  readonly code: number;
  readonly stdout: Buffer;
  /** `stdout` as text, without the last newline. */
  readonly text: string;
  readonly stderr: string;
}

/** Runs git to its end with an environment made from nothing. Throws `git_failed` with what git said. */
export function git(arguments_: readonly string[], options: GitOptions = {}): GitResult {
  const result = spawnSync('git', arguments_, {
    cwd: options.cwd,
    env: environment(options),
    input: options.stdin,
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', options.stdout === 'raw' ? 'inherit' : 'pipe', 'pipe'],
    maxBuffer: 1024 * 1024 * 1024,
  });
  if (result.error !== undefined) throw unavailable(result.error);
  return judged(arguments_, options, result.status ?? -1, result.stdout ?? Buffer.alloc(0), result.stderr);
}

/** As `git`, for one that waits for a network: what else is to be done is done meanwhile. Takes neither stdin nor `raw`. */
export function gitBeside(
  arguments_: readonly string[],
  options: Omit<GitOptions, 'stdin' | 'stdout'>,
): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const { cwd } = options;
    const child = spawn('git', arguments_, { cwd, env: environment(options), stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', (error) => reject(unavailable(error)));
    child.once('close', (code) => {
      try {
        resolve(judged(arguments_, options, code ?? -1, Buffer.concat(stdout), Buffer.concat(stderr)));
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

function unavailable(error: Error): SupervisorFault {
  return new SupervisorFault('git_unavailable', `git: ${error.message}`);
}

function judged(
  [command = '']: readonly string[],
  { allowed = [] }: GitOptions,
  code: number,
  stdout: Buffer,
  said: Buffer,
): GitResult {
  const stderr = said.toString('utf8').trim().slice(-2_000);
  if (code !== 0 && !allowed.includes(code)) {
    throw new SupervisorFault('git_failed', `git ${command} ended with ${code}: ${stderr}`);
  }
  return { code, stdout, stderr, text: stdout.length > 1_048_576 ? '' : stdout.toString('utf8').replace(/\n$/, '') };
}

function environment(options: GitOptions): Record<string, string> {
  const settings = Object.entries({ ...CONFIG, ...options.config });
  const env: Record<string, string> = {
    PATH: searchPath(),
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: options.protocols ?? 'none',
    GIT_CONFIG_COUNT: String(settings.length),
    ...options.env,
  };
  settings.forEach(([key, value], place) => {
    env[`GIT_CONFIG_KEY_${place}`] = key;
    env[`GIT_CONFIG_VALUE_${place}`] = value;
  });
  return env;
}

let path = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin';

/** Where programs are looked for; set once by main. */
export function setSearchPath(value: string | undefined): void {
  if (value !== undefined && value !== '') path = value;
}

export function searchPath(): string {
  return path;
}
