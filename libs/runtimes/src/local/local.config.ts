import { delimiter, dirname } from 'node:path';

/** What an exec on a laptop sees of the machine's environment; everything else stays outside. */
const ALLOWED = ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'TERM', 'SSL_CERT_FILE', 'SSL_CERT_DIR'] as const;

/** Where programs of this machine are looked for. */
export function searchPath(): string {
  return process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
}

/** The allow-listed environment. `node` on its PATH is the Node that runs Capstan. */
export function localEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of ALLOWED) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, PATH: `${dirname(process.execPath)}${delimiter}${searchPath()}` };
}
