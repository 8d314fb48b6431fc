import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface LeftBehind {
  readonly pid: number;
  readonly command: string;
}

/**
 * Processes that have to do with a directory: they name it in their command line, work in it, or carry it in their
 * environment. This process is left out. Where there is no /proc, only command lines are seen.
 */
export function processesOf(directory: string): readonly LeftBehind[] {
  if (process.platform !== 'linux') return fromPs(directory);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const command = read(`/proc/${name}/cmdline`);
      if (command === '') return []; // a kernel thread, a zombie, or gone
      const concerned = command.includes(directory) || read(`/proc/${name}/environ`).includes(directory);
      return concerned ? [{ pid: Number(name), command: command.replaceAll('\0', ' ').slice(0, 200) }] : [];
    });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // gone meanwhile, or another user's
  }
}

function fromPs(directory: string): readonly LeftBehind[] {
  return execFileSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(directory))
    .map((line) => ({ pid: Number.parseInt(line, 10), command: line.trim().slice(0, 200) }))
    .filter(({ pid }) => pid !== process.pid);
}
