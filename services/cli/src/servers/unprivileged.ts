import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import { UserError } from '@capstan/domain';

/** How a program that refuses to run as root is run. */
export interface Unprivileged {
  /** Put before the command. */
  readonly prefix: readonly string[];
  /** Hands a file or directory to whoever the program runs as; does nothing where that isn't needed. */
  give(path: string): void;
}

/** What is asked of the machine. */
interface Machine {
  readonly uid?: number | undefined;
  /** Whether a command ends with 0. */
  readonly runs?: (command: readonly string[]) => boolean;
}

const AS_MYSELF: Unprivileged = { prefix: [], give: () => undefined };

/**
 * Postgres refuses to run as root. As anybody else it simply runs; as root it runs in a user namespace of its own,
 * where root's files still belong to it, or, where namespaces are not allowed, as an existing system user.
 * @param dataDir made traversable (0711) in that last case only.
 * @throws UserError when there is no way.
 */
export function unprivileged(
  dataDir: string,
  program: string,
  { uid = process.getuid?.(), runs = endsWell }: Machine = {},
): Unprivileged {
  if (uid !== 0) return AS_MYSELF;
  const namespace = ['unshare', '-U', '--map-user=1000', '--map-group=1000'];
  if (runs([...namespace, 'true'])) return { prefix: namespace, give: () => undefined };
  const user = systemUser();
  if (user !== undefined) {
    const prefix = ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
    chmodSync(dataDir, 0o711);
    if (runs([...prefix, 'test', '-x', dataDir]) && runs([...prefix, 'test', '-x', program])) {
      return { prefix, give: (path) => chownSync(path, user.uid, user.gid) };
    }
  }
  throw new UserError(
    `Postgres doesn't run as root, and neither a user namespace nor ${user?.name ?? 'a system user'} can be used for it here`,
    {
      code: 'postgres_as_root',
      remedy: `Start Capstan as another user, put ${dataDir} where every user may pass through its parents, or set CAPSTAN_DATABASE_URL to a Postgres that runs already.`,
    },
  );
}

function endsWell(command: readonly string[]): boolean {
  const [program = '', ...args] = command;
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

function systemUser(): { name: string; uid: number; gid: number } | undefined {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const found = users.find((fields) => fields[0] === name);
    if (found !== undefined) return { name, uid: Number(found[2]), gid: Number(found[3]) };
  }
  return undefined;
}
