import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { basename, delimiter, dirname, isAbsolute, join, sep } from 'node:path';
import { isIn } from './walls.js';
import type { Walls } from './walls.js';

const TOP = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'];

/** What programs need of /etc, and what nothing secret is in: no /etc/ssl/private, no shadow, no tool's own settings. */
const ETC = [
  ...['alternatives', 'ca-certificates', 'ca-certificates.conf', 'crypto-policies', 'debian_version', 'fonts'],
  ...[
    'ld.so.cache',
    'ld.so.conf',
    'ld.so.conf.d',
    'locale.conf',
    'localtime',
    'mime.types',
    'os-release',
    'pki/ca-trust',
  ],
  ...['pki/tls/cert.pem', 'pki/tls/certs', 'protocols', 'services', 'ssl/cert.pem', 'ssl/certs', 'ssl/openssl.cnf'],
  ...['terminfo', 'timezone'],
];
/** Language runtimes keep their own configuration there. */
const ETC_PATTERN = /^(java(-\d+)?(-openjdk)?|python3(\.\d+)?|perl|php)$/;

/** Files in place of the machine's: no user, host or name server of it is to be known inside. */
const OWN_ETC: Readonly<Record<string, string>> = {
  passwd: 'root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nagent:x:1000:1000:agent:/tmp:/bin/sh\n',
  group: 'root:x:0:\nagent:x:1000:\n',
  hosts: '127.0.0.1 localhost capstan\n::1 localhost\n',
  'host.conf': 'multi on\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n',
  'resolv.conf': '# There are no names here: the proxy in the environment resolves them.\n',
};

/** Top-level directories of the machine's programs. */
export function systemPlaces(): Walls['system'] {
  const there = TOP.filter((path) => existsSync(path));
  return there.map((path) => (lstatSync(path).isSymbolicLink() ? { path, link: readlinkSync(path) } : { path }));
}

/**
 * What of /proc isn't about processes and could be written to. bubblewrap covers some of it, but not /proc/sys: there an
 * administrator without any capability may still change settings, and such is an agent's uid where Capstan runs as root.
 */
export function kernelPlaces(): string[] {
  const names = readdirSync('/proc').filter((name) => !/^\d+$/.test(name));
  return names
    .map((name) => join('/proc', name))
    .filter((path) => {
      const { mode } = lstatSync(path);
      const kind = mode & constants.S_IFMT;
      return kind === constants.S_IFDIR || (kind === constants.S_IFREG && (mode & 0o222) !== 0);
    });
}

/** The machine's own files that are shown as they are. */
export async function etcPlaces(): Promise<readonly string[]> {
  const others = (await readdir('/etc')).filter((name) => ETC_PATTERN.test(name));
  return [...ETC, ...others].map((name) => join('/etc', name)).filter(isPublic);
}

/** Only what everybody may read: Capstan may be an administrator of this machine. */
function isPublic(path: string): boolean {
  if (!existsSync(path)) return false;
  const { mode } = statSync(path);
  return (mode & 0o004) !== 0;
}

/** Writes our own files of /etc into `directory` and says where they belong. */
export async function ownEtc(directory: string): Promise<Walls['files']> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return await Promise.all(
    Object.entries(OWN_ETC).map(async ([name, text]) => {
      const from = join(directory, name);
      if (!existsSync(from) || readFileSync(from, 'utf8') !== text) {
        const draft = `${from}.${process.pid}-${performance.now()}`;
        await writeFile(draft, text, { mode: 0o444 });
        await rename(draft, from);
      }
      return { from, to: join('/etc', name) };
    }),
  );
}

/** A program's installation outside of the system's places: what to show, and the links by which it is found. */
export interface Installation {
  readonly readable: readonly string[];
  readonly links: Walls['links'];
}

/**
 * Where a program is installed: the packages around it where it is one of Node's, its environment where it is one of
 * Python's, else its file alone. A directory that merely holds it is never shown: it may be somebody's home.
 */
export function installationOf(program: string, path: string): Installation {
  // Whoever names a program shows it to the agent: no file that isn't one.
  const found = isAbsolute(program) ? (isProgram(program) ? program : undefined) : onPath(program, path);
  if (found === undefined) return { readable: [], links: [] };
  const real = realpathSync(found);
  const places = [packageOf(real)].filter((place) => !TOP.some((top) => isIn(place, top)));
  const reached = [...TOP, ...places].some((place) => isIn(found, place));
  return { readable: places, links: reached || found === real ? [] : [{ path: found, target: real }] };
}

/** First executable file of that name on the search path. */
export function onPath(program: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, program))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function packageOf(real: string): string {
  const segments = real.split(sep);
  const modules = segments.indexOf('node_modules');
  if (modules > 0) return segments.slice(0, modules + 1).join(sep);
  const parent = dirname(dirname(real));
  if (basename(dirname(real)) === 'bin' && existsSync(join(parent, 'pyvenv.cfg'))) return parent;
  return real;
}

/** The Node that runs Capstan: its distribution where it has one of its own, else the program alone. */
export function nodePlace(program: string): string {
  const real = realpathSync(program);
  const parent = dirname(dirname(real));
  const isDistribution = basename(dirname(real)) === 'bin' && existsSync(join(parent, 'include', 'node', 'node.h'));
  return isDistribution ? parent : real;
}

/** What stands in a user namespace's way on this kernel, with its remedy; undefined when nothing is known to. */
export function namespaceFault(): string | undefined {
  const is = (name: string, value: string): boolean => setting(name) === value;
  if (is('kernel/unprivileged_userns_clone', '0'))
    return 'user namespaces are switched off here: sysctl -w kernel.unprivileged_userns_clone=1';
  if (is('user/max_user_namespaces', '0'))
    return 'user namespaces are switched off here: sysctl -w user.max_user_namespaces=10000';
  if (is('kernel/apparmor_restrict_unprivileged_userns', '1'))
    return "AppArmor keeps programs from user namespaces here: give bwrap a profile with 'userns,' or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  return undefined;
}

function setting(name: string): string | undefined {
  try {
    return readFileSync(join('/proc/sys', name), 'utf8').trim();
  } catch {
    return undefined;
  }
}
