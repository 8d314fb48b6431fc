// Runs test suites one after the other and says how many tests passed, failed and were skipped:
//
//   node scripts/test.mjs [SUITE…]      default: unit web system
//   node scripts/test.mjs --sum         only adds up what earlier calls of this run left in .cache/test-results
//
// A suite that ends without a result counts as one failure: a runner that dies must not look green.
//
// With CAPSTAN_SECOND_LOOK=1, as in CI, the few specs that failed run once more by themselves, and the crash suite runs
// again with its seed. What passes then lost to its neighbours on a busy machine, or to an order of things that is rare:
// it counts as passed and is named at the end, for it wants mending all the same.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const results = join(root, '.cache', 'test-results');
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];

// Specs wait more than they compute, system specs most of all: two and three at once on two cores, where Jest by itself
// would run one.
const cores = availableParallelism();
const atOnce = { unit: String(Math.max(2, cores - 1)), system: String(cores + 1) };

/** Each suite: what it runs, and how its report is read. */
const SUITES = {
  // The Kubernetes specs need a cluster: they are a suite of their own, never a silent skip in this one.
  unit: {
    args: (file) => [
      ...jest,
      '--maxWorkers',
      atOnce.unit,
      '--testPathIgnorePatterns',
      '/node_modules/',
      '/kubernetes.conformance.spec',
      '--json',
      `--outputFile=${file}`,
    ],
    count: jestCount,
    alone: true,
  },
  kubernetes: {
    args: (file) => [...jest, '-w', '1', 'libs/runtimes/src/kubernetes', '--json', `--outputFile=${file}`],
    count: jestCount,
  },
  web: {
    cwd: 'web',
    args: (file) => [
      '../node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ],
    count: jestCount,
  },
  system: {
    args: (file) => [
      ...jest,
      '-c',
      'test/e2e/jest.config.mjs',
      '--maxWorkers',
      atOnce.system,
      '--json',
      `--outputFile=${file}`,
    ],
    count: jestCount,
    alone: true,
  },
  // The main job with the real agent programs, which it installs.
  agents: {
    before: ['test/support/install-agents.mjs'],
    args: (file) => [...jest, '-c', 'test/agents/jest.config.mjs', '-w', '1', '--json', `--outputFile=${file}`],
    count: jestCount,
  },
  // What a hostile agent gets at.
  containment: {
    args: (file) => [...jest, '-c', 'test/containment/jest.config.mjs', '-w', '1', '--json', `--outputFile=${file}`],
    count: jestCount,
  },
  crash: {
    args: () => ['test/crash/dist/main.js'],
    env: (file) => ({ CAPSTAN_CRASH_REPORT: file }),
    count: crashCount,
    again: crashAgain,
    timeoutMs: 7_200_000,
  },
  // Builds that lack something on purpose, at the suite's default size: it has to catch each.
  broken: {
    args: () => ['test/crash/dist/main.js', '--broken'],
    env: (file) => ({ CAPSTAN_CRASH_REPORT: file, CAPSTAN_CRASH_TASKS: '30' }),
    count: crashCount,
  },
  browser: {
    args: () => ['test/e2e/browser.mjs', '--reporter=list,json'],
    env: (file) => ({ PLAYWRIGHT_JSON_OUTPUT_NAME: file }),
    count: playwrightCount,
  },
};

function jestCount({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites = 0 }) {
  return {
    passed: numPassedTests,
    failed: numFailedTests + numRuntimeErrorTestSuites,
    skipped: numPendingTests + numTodoTests,
  };
}

/** More specs than this that fail together didn't lose to a busy machine. */
const SECOND_LOOK_AT_MOST = 3;

/** Runs Jest's failed spec files again, one after the other. @returns the counts, with `flaky` naming those that passed */
function secondLook(suite, report, counts) {
  const failed = JSON.parse(readFileSync(report, 'utf8')).testResults.filter(({ status }) => status === 'failed');
  if (failed.length === 0 || failed.length > SECOND_LOOK_AT_MOST) return counts;
  const again = report.replace('.report.', '.again.report.');
  rmSync(again, { force: true });
  process.stderr.write(`\n── once more, alone: ${failed.map(({ name }) => relative(root, name)).join(', ')} ──\n`);
  const config = suite.args(report).slice(0, suite.args(report).indexOf('--maxWorkers'));
  const { status } = spawnSync(
    process.execPath,
    [...config, '-w', '1', '--json', `--outputFile=${again}`, '--runTestsByPath', ...failed.map(({ name }) => name)],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NODE_NO_WARNINGS: '1' } },
  );
  if (!existsSync(again)) return counts;
  const second = JSON.parse(readFileSync(again, 'utf8'));
  const before = failed.flatMap(({ assertionResults }) => assertionResults);
  const passedBefore = before.filter(({ status: was }) => was === 'passed').length;
  const { passed, failed: stillFailed } = jestCount(second);
  if (stillFailed === 0 && status !== 0) return counts;
  return {
    ...counts,
    passed: counts.passed - passedBefore + passed,
    failed: stillFailed,
    flaky: second.testResults.filter(({ status: now }) => now === 'passed').map(({ name }) => relative(root, name)),
  };
}

function playwrightCount({ stats }) {
  return { passed: stats.expected + stats.flaky, failed: stats.unexpected, skipped: stats.skipped };
}

/** A task that kept every law is a test that passed, a violation one that failed. */
function crashCount({ tasks, violations }) {
  return { passed: Math.max(0, tasks - violations.length), failed: violations.length, skipped: 0 };
}

/** The seed of a failed crash run, so that the same tasks and the same schedule come again. */
function crashAgain(report) {
  if (!existsSync(report)) return { env: {}, words: 'crash suite, which broke off' };
  const { seed, violations } = JSON.parse(readFileSync(report, 'utf8'));
  const laws = [...new Set(violations.map(({ law }) => law))].join(', ');
  return { env: { CAPSTAN_CRASH_SEED: String(seed) }, words: `crash suite, seed ${seed} (${laws})` };
}

/** Runs a suite again as a whole. @returns the counts of the second time, naming the first if the second is good */
function secondTime(suite, report, counts) {
  const { env, words } = suite.again(report);
  process.stderr.write(`\n── once more: ${words} ──\n`);
  const again = report.replace('.report.', '.again.report.');
  rmSync(again, { force: true });
  const { status } = start(suite, again, env);
  if (!existsSync(again)) return counts;
  const second = suite.count(JSON.parse(readFileSync(again, 'utf8')));
  return status === 0 && second.failed === 0 ? { ...second, flaky: [words] } : counts;
}

function start(suite, report, env = {}) {
  return spawnSync(process.execPath, suite.args(report), {
    cwd: join(root, suite.cwd ?? '.'),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...suite.env?.(report), ...env, NODE_NO_WARNINGS: '1' },
    ...(suite.timeoutMs !== undefined && { timeout: suite.timeoutMs, killSignal: 'SIGTERM' }),
  });
}

function run(name) {
  const suite = SUITES[name];
  if (suite === undefined) {
    process.stderr.write(`There is no suite ${name}; there are ${Object.keys(SUITES).join(', ')}.\n`);
    process.exit(2);
  }
  const report = join(results, `${name}.report.json`);
  rmSync(report, { force: true });
  process.stderr.write(`\n── ${name} ──\n`);
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] };
  const ready = suite.before === undefined || spawnSync(process.execPath, suite.before, options).status === 0;
  const { status } = ready ? start(suite, report) : { status: 1 };
  let counts = existsSync(report)
    ? suite.count(JSON.parse(readFileSync(report, 'utf8')))
    : { passed: 0, failed: 0, skipped: 0 };
  // A suite that has nothing to run on says so itself, and ends well; it is one that was skipped.
  if (status === 0 && !existsSync(report)) counts.skipped = 1;
  // Exit code and report must agree: a crash after the last test, or no report at all, is a failure.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  else if (counts.failed > 0 && process.env.CAPSTAN_SECOND_LOOK === '1') {
    if (suite.alone) counts = secondLook(suite, report, counts);
    if (suite.again) counts = secondTime(suite, report, counts);
  }
  writeFileSync(join(results, `${name}.json`), JSON.stringify(counts));
  return counts;
}

function sum(list) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of list) for (const key of Object.keys(total)) total[key] += counts[key];
  return total;
}

mkdirSync(results, { recursive: true });
const wanted = process.argv.slice(2);
const counts =
  wanted[0] === '--sum'
    ? readdirSync(results)
        .filter((file) => file.endsWith('.json') && !file.endsWith('.report.json'))
        .map((file) => JSON.parse(readFileSync(join(results, file), 'utf8')))
    : (wanted.length > 0 ? wanted : ['unit', 'web', 'system']).map(run);
const total = sum(counts);
for (const file of counts.flatMap(({ flaky = [] }) => flaky))
  process.stdout.write(`Flaky: ${file} failed, and passed when it ran again\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed + total.skipped > 0 ? 0 : 1;
