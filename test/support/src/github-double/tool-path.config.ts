/** Where `git`, `npm` and the like are looked for: the PATH of whoever started the double. */
export function toolPath(): string {
  return process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
}
