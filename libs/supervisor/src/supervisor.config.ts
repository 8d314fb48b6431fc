/** The supervisor's whole environment: where programs are looked for. */
export function searchPath(): string | undefined {
  return process.env['PATH'];
}
