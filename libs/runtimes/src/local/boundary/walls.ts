/** What an agent is to find in its boundary: paths, the same inside as outside. */
export interface Walls {
  /** bubblewrap, absolute. */
  readonly bwrap: string;
  /** Its options that only newer versions have. */
  readonly features: { readonly disableUserNamespaces: boolean; readonly tmpfsSize: boolean };
  /** Top-level places of the system: a link is made as it is outside, a directory is shown read-only. */
  readonly system: readonly { readonly path: string; readonly link?: string }[];
  /** Doors to the kernel in /proc: shown read-only, since who runs as an administrator outside could write to them. */
  readonly kernel: readonly string[];
  /** Files of our own making that stand in for the machine's: where they lie, and where they are seen. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
  /** Never shown, though they may lie in something that is. */
  readonly hidden: readonly string[];
  readonly readable: readonly string[];
  readonly links: readonly { readonly path: string; readonly target: string }[];
  readonly writable: readonly string[];
  /** Directory of egress's socket. The directory and not the socket: a new egress makes a new socket. */
  readonly egress?: string;
}

/** Where the directory of egress's socket is seen inside. */
export const EGRESS_DIRECTORY = '/run/capstan-egress';
/** Memory that files in one of the boundary's own directories may take, bytes. */
const TMPFS_BYTES = 1024 * 1024 * 1024;

/** bubblewrap's command line, to which the inner command is added. */
export function wallArguments(walls: Walls): string[] {
  const readable = [...new Set(walls.readable)].sort();
  const shown = [...walls.system.filter(({ link }) => link === undefined).map(({ path }) => path), ...readable];
  // Memory of its own in place of what a shown directory would let through.
  const masked = walls.hidden.filter((path) => shown.some((place) => isIn(path, place)));
  const tmpfs = (path: string): string[] => [
    ...(walls.features.tmpfsSize ? ['--size', String(TMPFS_BYTES)] : []),
    ...['--tmpfs', path],
  ];
  return [
    walls.bwrap,
    ...['--unshare-all', '--unshare-user', '--uid', '1000', '--gid', '1000', '--cap-drop', 'ALL'],
    ...(walls.features.disableUserNamespaces ? ['--disable-userns'] : []),
    ...['--die-with-parent', '--new-session', '--hostname', 'capstan'],
    ...walls.system.flatMap(({ path, link }) => (link === undefined ? readOnly(path) : ['--symlink', link, path])),
    ...['--proc', '/proc', ...walls.kernel.flatMap((path) => readOnly(path)), '--dev', '/dev'],
    ...tmpfs('/tmp'),
    ...['--symlink', '/tmp', '/var/tmp'],
    ...walls.files.flatMap(({ from, to }) => readOnly(from, to)),
    // What lies deeper comes later, and so over it.
    ...[...readable.map((path) => [path, ...readOnly(path)]), ...masked.map((path) => [`${path}/`, ...tmpfs(path)])]
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
      .flatMap(([, ...words]) => words),
    ...walls.links.flatMap(({ path, target }) => ['--symlink', target, path]),
    ...[...new Set(walls.writable)].sort().flatMap((path) => ['--bind', path, path]),
    ...(walls.egress === undefined ? [] : readOnly(walls.egress, EGRESS_DIRECTORY)),
    ...masked.flatMap((path) => ['--remount-ro', path]),
    ...['--remount-ro', '/', '--chdir', '/'],
  ];
}

/** Whether the path is the directory or lies in it. */
export function isIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function readOnly(from: string, to = from): string[] {
  return ['--ro-bind', from, to];
}
