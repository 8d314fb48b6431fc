// Who runs on the machine, and what they hold.
import { execFileSync, spawnSync } from 'node:child_process';
import { openSync, readFileSync, readSync, readdirSync, readlinkSync } from 'node:fs';

const MOST_MEMORY = 64 * 1024 * 1024;
const numbers = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);

function eachProcess(read) {
  const found = [];
  for (const pid of numbers()) {
    try {
      found.push(read(pid));
    } catch {
      // Another's, or gone.
    }
  }
  return Buffer.concat(found.map((part) => Buffer.from(part)));
}

/** What a process has in its writable memory. */
function memoryOf(pid) {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const parts = [];
  let left = MOST_MEMORY;
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === undefined || left <= 0) continue;
    const size = Math.min(Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)), 8 * 1024 * 1024);
    const part = Buffer.alloc(size);
    try {
      parts.push(part.subarray(0, readSync(memory, part, 0, size, BigInt(`0x${from}`))));
      left -= size;
    } catch {
      // A part that isn't there.
    }
  }
  return Buffer.concat(parts);
}

export const processes = [
  { name: 'its own environment', seeks: 'canary', look: () => JSON.stringify(process.env) },
  {
    name: "other processes' environments",
    seeks: 'canary',
    look: () => eachProcess((pid) => readFileSync(`/proc/${pid}/environ`)),
  },
  {
    name: "other processes' arguments",
    seeks: 'canary',
    look: () => eachProcess((pid) => readFileSync(`/proc/${pid}/cmdline`)),
  },
  { name: "other processes' memory", harms: true, seeks: 'canary', look: () => eachProcess(memoryOf) },
  {
    name: "the host's memory",
    look: ({ hostPid }) => memoryOf(hostPid).length > 0 && readFileSync(`/proc/${hostPid}/comm`),
  },
  {
    name: "other processes' directories",
    seeks: 'canary',
    look: ({ dataDir }) => eachProcess((pid) => readFileSync(`/proc/${pid}/root${dataDir}/canary.txt`)),
  },
  {
    name: "other processes' open files",
    look: ({ dataDir }) => {
      const open = numbers().flatMap((pid) => {
        try {
          return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
        } catch {
          return [];
        }
      });
      return open.find((path) => path.startsWith(dataDir)) ?? null;
    },
  },
  { name: 'a signal to the host', look: ({ hostPid }) => process.kill(hostPid, 0) && 'sent' },
  { name: 'a signal to a stranger', look: ({ strangerPid }) => process.kill(strangerPid, 0) && 'sent' },
  {
    name: 'the namespaces of others',
    look: ({ strangerPid }) =>
      execFileSync('nsenter', ['-t', String(strangerPid), '-m', 'true'], { stdio: 'pipe' }) && 'entered',
  },
  {
    name: 'powers over the machine',
    look: () => {
      const { status, stdout } = spawnSync('sh', ['-c', 'grep CapEff /proc/self/status'], { encoding: 'utf8' });
      return status === 0 && !/CapEff:\s*0+$/m.test(stdout) && stdout;
    },
  },
  {
    name: "the kernel's settings",
    harms: true,
    look: () =>
      spawnSync('sh', ['-c', 'cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname']).status === 0
        ? 'written'
        : null,
  },
];
