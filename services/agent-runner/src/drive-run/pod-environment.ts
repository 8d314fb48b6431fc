import type { Runtime } from '@capstan/runtimes';

/** The variables of a pod, of which adapters let a listed few through to agents. */
export async function readPodEnvironment(
  runtime: Pick<Runtime, 'exec'>,
  pod: string,
): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await runtime.exec(pod, { argv: ['env', '-0'], timeoutMs: 10_000 });
  const pairs = stdout
    .toString('utf8')
    .split('\0')
    .filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}
