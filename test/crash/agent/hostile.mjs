// What hostile agents do after their lines. None of it is `text`: the auditor counts that line by line.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const MEGABYTE = 1_048_576;
const FLOOD_MEGABYTES = 300;

function raw(bytes) {
  return new Promise((resolve, reject) => process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())));
}

/** Leaves its session and its parent behind, and holds on to everything that it inherited. */
function daemon(stdio) {
  const child = spawn('setsid', ['sh', '-c', 'trap "" HUP INT TERM; (sleep 900 & wait) & sleep 900'], {
    detached: true,
    stdio,
  });
  child.unref();
}

/** Behaviours by kind of task. `finish` does the work of a task that is done. */
export function hostileWork({ script, directory, finish }) {
  const gate = async (name) => {
    while (!existsSync(join(directory, 'gates', name))) await pause(50);
  };
  return {
    /** Hears no signal that can be ignored, with a child that doesn't either; somebody cancels its task. */
    ignores_signals: async () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGPIPE'])
        process.on(signal, () => undefined);
      daemon('inherit');
      await pause(900_000);
    },
    forks_daemons: () => {
      daemon('ignore');
      daemon('inherit');
      finish();
    },
    prints_long_line: async () => {
      await raw(`${'x'.repeat(5 * MEGABYTE)}\n`);
      finish();
    },
    prints_broken_text: async () => {
      await raw(Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x0a]));
      await raw(Buffer.concat([Buffer.from('{"type":"text","text":"'), Buffer.from([0xe2, 0x82]), Buffer.from('\n')]));
      process.stderr.write(Buffer.from([0x80, 0x81, 0x00, 0x1b, 0x5b, 0x0a]));
      finish();
    },
    /** More than the journal holds: Capstan ends it. */
    floods: async () => {
      const chunk = `${`${'y'.repeat(MEGABYTE / 8 - 1)}\n`.repeat(8)}`;
      for (let megabyte = 0; megabyte < FLOOD_MEGABYTES; megabyte += 1) await raw(chunk);
      await pause(900_000);
    },
    /** Goes on to print when its journal can't be written any more. */
    fills_disk: async () => {
      await gate(script.name);
      for (;;) {
        await raw('z\n');
        await pause(100);
      }
    },
  };
}
