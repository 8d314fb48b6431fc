import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentProgram, LogIn } from './log-in.js';

/** No log-in is as long; the CLIs keep histories beside some of them. bytes */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * The log-in that a program has in `home` now; null where it has none. Reads the program's own files, and never throws:
 * what can't be read is said as a log-in that can't be used. The values in it belong to egress alone.
 */
export async function readLogIn(
  { logIn }: Pick<AgentProgram, 'logIn'>,
  home: string,
  now = Date.now(),
): Promise<LogIn | null> {
  const texts = new Map<string, string>();
  for (const file of logIn.files) {
    const text = await textOf(join(home, file)).catch((error: NodeJS.ErrnoException) => error);
    if (typeof text === 'string') texts.set(file, text);
    else if (text.code !== 'ENOENT' && text.code !== 'ENOTDIR')
      return {
        state: 'unusable',
        place: `~/${file}`,
        words: `It can't be read: ${text.code ?? text.message}`,
        remedy: { words: 'Let the user that Capstan runs as read it, or set the secret.', command: null },
        keys: {},
      };
  }
  return texts.size === 0 ? null : logIn.read(texts, now);
}

async function textOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const about = await file.stat();
    if (!about.isFile()) throw Object.assign(new Error('it is no file'), { code: 'no file' });
    if (about.size > MAX_BYTES) throw Object.assign(new Error('it is too long'), { code: 'too long' });
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
