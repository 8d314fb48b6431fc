import { FENCES } from '../auditor/laws/fences.js';
import { LOOKS } from '../auditor/laws/looks.js';

/** One exact piece of a built file, and what stands there in the broken build. */
export interface Break {
  /** Below the checkout. */
  readonly file: string;
  readonly piece: string;
  readonly instead: string;
}

export interface BrokenBuild {
  /** What is missing, in words. */
  readonly missing: string;
  readonly breaks: readonly Break[];
  /** What the adversary does to such a build: aimed, and nothing else. */
  readonly actions: readonly string[];
  /** Agents wait at least this long after each line: a fault that needs one at work meets one. ms */
  readonly lineEveryMs?: number;
  /** The law that has to be found broken. */
  readonly law: string;
}

const FENCE = "where id = $1 and epoch = $2 and state <> 'finished' returning";
const NO_FENCE = "where id = $1 and $2::int > 0 and state <> 'finished' returning";
const RUNNER = 'services/agent-runner/dist';

/** Builds that the suite has to catch at its default size: a test of the test. */
export const BROKEN_BUILDS: Readonly<Record<string, BrokenBuild>> = {
  'missing-fence': {
    missing: "writes of a run's owner don't name its epoch: a runner that slept through its lease goes on writing",
    breaks: [
      // What such a runner writes doesn't follow on what is stored either, which would hold it up as well.
      {
        file: `${RUNNER}/write-log/write-log.apply.js`,
        piece: "where id = $1 and log_sequence = $19 and epoch = $2 and state <> 'finished' returning",
        instead: "where id = $1 and $19::int >= 0 and $2::int > 0 and state <> 'finished' returning",
      },
      // Rows of the log have a key that would refuse most of what such a runner writes.
      {
        file: `${RUNNER}/write-log/write-log.apply.js`,
        piece: 'as l(sequence, at, kind, text, data)),',
        instead: 'as l(sequence, at, kind, text, data) on conflict do nothing),',
      },
      { file: `${RUNNER}/drive-run/drive-run.apply.js`, piece: FENCE, instead: NO_FENCE },
      {
        file: `${RUNNER}/drive-run/drive-run.apply.js`,
        piece: "where id = $1 and epoch = $2 and state in ('leased','running')",
        instead: "where id = $1 and $2::int > 0 and state in ('leased','running')",
      },
      { file: `${RUNNER}/lease-run/lease-run.apply.js`, piece: FENCE, instead: NO_FENCE },
    ],
    actions: ['freeze-agent-runner'],
    // An agent that is over before its runner wakes has nobody left to be fenced from.
    lineEveryMs: 700,
    law: FENCES,
  },
  'no-look': {
    missing: "an effect doesn't look at the remote before it is tried again",
    breaks: [
      {
        file: 'libs/service-kit/dist/effects/effect-executor.js',
        piece: 'let outcome = await handler.look(effect, AbortSignal.timeout(EFFECT_TIMEOUT_MS));',
        instead: 'let outcome = null;',
      },
    ],
    actions: ['lose-answers'],
    law: LOOKS,
  },
};
