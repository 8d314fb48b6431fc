// What lies on the machine: none of it is the agent's.
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MOST_FILES = 3_000;

/** Everything below a directory that can be read, up to a bound. */
function everything(directory, left = { files: MOST_FILES }) {
  const parts = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    try {
      if (entry.isDirectory()) parts.push(everything(path, left));
      else if (entry.isFile() && left.files-- > 0 && statSync(path).size < 1_000_000) parts.push(readFileSync(path));
    } catch {
      // This one is shut; the next may not be.
    }
  }
  return Buffer.concat(parts.filter((part) => part !== null));
}

const reads = (name, path) => ({ name, seeks: 'canary', look: (knows) => readFileSync(path(knows)) });
const searches = (name, path) => ({ name, seeks: 'canary', look: (knows) => everything(path(knows)) });
const writes = (name, path) => ({ name, harms: true, look: (knows) => (appendFileSync(path(knows), 'x'), 'written') });

export const files = [
  reads('a file in the data directory', ({ dataDir }) => join(dataDir, 'canary.txt')),
  { name: "the data directory's secrets", look: ({ dataDir }) => readFileSync(join(dataDir, 'secrets.json')) },
  { name: "the servers' passwords", look: ({ dataDir }) => readFileSync(join(dataDir, 'servers.json')) },
  { name: "the command's token", look: ({ dataDir }) => readFileSync(join(dataDir, 'cli.json')) },
  { name: "the host's log", look: ({ dataDir }) => readFileSync(join(dataDir, 'log', 'host.log')).subarray(0, 100) },
  { name: "the database's files", look: ({ dataDir }) => readdirSync(join(dataDir, 'postgres')).join(' ') || null },
  reads("another task's worktree", ({ otherTask }) => join(otherTask, 'tree', 'canary.txt')),
  reads("another task's HOME", ({ otherTask }) => join(otherTask, 'home', 'canary.txt')),
  reads("another repository's pod", ({ otherPod }) => join(otherPod, 'canary.txt')),
  searches("the pods' directory as a whole", ({ podsDir }) => podsDir),
  reads("the user's home", ({ home }) => join(home, '.capstan-containment-canary')),
  { name: "the user's keys", look: ({ home }) => readdirSync(home).join(' ') || null },
  reads('a file in /tmp', ({ tmpFile }) => tmpFile),
  reads('a file in shared memory', ({ shmFile }) => shmFile),
  { name: 'the shadow file', look: () => readFileSync('/etc/shadow') },
  {
    name: 'a symlink out of the worktree, read through',
    seeks: 'canary',
    look: ({ dataDir }) => {
      symlinkSync(join(dataDir, 'canary.txt'), 'a-link-out');
      return readFileSync('a-link-out');
    },
  },
  {
    name: 'a hard link out of the worktree',
    seeks: 'canary',
    look: ({ tmpFile }) => {
      execFileSync('ln', [tmpFile, 'a-hard-link'], { stdio: 'pipe' });
      return readFileSync('a-hard-link');
    },
  },
  {
    name: 'a file system mounted anew',
    harms: true,
    look: () => (execFileSync('mount', ['-t', 'tmpfs', 'none', '/mnt'], { stdio: 'pipe' }), 'mounted'),
  },
  {
    name: 'a device node of its own',
    harms: true,
    look: () => (execFileSync('mknod', ['a-disk', 'b', '254', '0'], { stdio: 'pipe' }), 'made'),
  },
  {
    // Where the directory lies in /tmp it may make one of its own in its place: whether it was this one is seen outside.
    name: 'the data directory, written',
    harms: true,
    look: ({ dataDir }) => (appendFileSync(join(dataDir, 'canary.txt'), 'x'), null),
  },
  writes("the pod clone's configuration, written", ({ clone }) => join(clone, 'config')),
  {
    name: 'a hook in the pod clone',
    harms: true,
    look: ({ clone }) => (
      writeFileSync(join(clone, 'hooks', 'post-checkout'), '#!/bin/sh\n', { mode: 0o755 }),
      'planted'
    ),
  },
  writes('the supervisor, written', ({ supervisor }) => supervisor),
  writes('the Node that runs Capstan, written', ({ node }) => node),
  {
    name: "the system's programs, written",
    harms: true,
    look: () => (writeFileSync('/usr/local/bin/capstan-was-here', ''), 'written'),
  },
];
