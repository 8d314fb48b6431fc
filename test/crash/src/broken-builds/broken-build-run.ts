import type { CrashConfig } from '../crash.config.js';
import { runCrash } from '../run.js';
import { BROKEN_BUILDS } from './broken-builds.js';

/** What became of one broken build. */
export interface BrokenBuildResult {
  readonly name: string;
  readonly missing: string;
  /** Whether the law that it breaks was found broken. */
  readonly caught: boolean;
  readonly seconds: number;
  /** What was found, first of all of that law. */
  readonly found: readonly string[];
}

const SHOWN = 5;

/** Runs the suite at the given size against a broken build, with the adversary's aim at what is missing. */
export async function runBrokenBuild(
  name: string,
  config: CrashConfig,
  print: (line: string) => void,
): Promise<BrokenBuildResult> {
  const { missing, actions, law, lineEveryMs = 0 } = BROKEN_BUILDS[name]!;
  print(`\nThe broken build ${name}: ${missing}`);
  const { violations, seconds } = await runCrash({ ...config, brokenBuild: name, actions, lineEveryMs }, print);
  const aimed = violations.filter((violation) => violation.law === law);
  const found = [...aimed, ...violations.filter((violation) => violation.law !== law)].map(({ what }) => what);
  const caught = aimed.length > 0;
  print(
    `${name}: ${caught ? 'caught' : 'NOT CAUGHT'}, ${aimed.length} of ${violations.length} violations are of "${law}"`,
  );
  for (const what of found.slice(0, SHOWN)) print(`  ${what}`);
  return { name, missing, caught, seconds, found };
}
