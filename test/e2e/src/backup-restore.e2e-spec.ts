import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, aSystem, change, type System } from '@capstan/test-support';
import { extract } from 'tar';

interface Manifest {
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly sha256: string }[];
}
interface Pull {
  readonly number: number;
  readonly merged_at: string | null;
  readonly head: { readonly ref: string };
}
const REVIEWED = 'acme/reviewed';

describe('A backup of a Capstan at work, restored elsewhere', () => {
  let system: System;
  beforeAll(async () => {
    system = await aSystem({
      // How soon it is seen that a restored pod isn't there.
      env: { CAPSTAN_HEALTH_CHECK_INTERVAL_MS: '2000' },
      repositories: [{ fullName: 'acme/app' }, { fullName: REVIEWED, settings: { requiredApprovals: 1 } }],
    });
  });
  afterAll(() => system?.expectNothingLeft());

  /** The built command, on a data directory. */
  const capstan = async (dataDir: string, ...words: string[]) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, 'services/cli/dist/main.js'), ...words, '-o', 'json'],
      { cwd: system.dir, env: { PATH: process.env['PATH'], CAPSTAN_DATA_DIR: dataDir } },
    );
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const tablesOf = async (file: string) => {
    const into = mkdtempSync(join(system.dir, 'look-'));
    await extract({ file, cwd: into }, ['manifest.json']);
    return (JSON.parse(readFileSync(join(into, 'manifest.json'), 'utf8')) as Manifest).tables;
  };
  const pullsOf = async (shortId: string, fullName = 'acme/app') =>
    (await system.atForge<Pull[]>(`/repos/${fullName}/pulls?state=all&per_page=100`)).filter(({ head }) =>
      head.ref.startsWith(`capstan/${shortId}`),
    );
  const requests = (method: string, path: RegExp) =>
    system.forge.journal.filter(
      (one) => one.kind === 'request' && one.method === method && path.test(one.path) && !isTest(one.body),
    ).length;
  /** A branch against itself: so a token is asked whether it may open pull requests. */
  const isTest = (body: unknown): boolean => {
    const { head, base } = (body ?? {}) as Readonly<Record<string, unknown>>;
    return head !== undefined && head === base;
  };

  it('has every row, and brings what was unfinished to its one merge', async () => {
    const before = await system.taskOf(await system.ticket('Merged before', change('before')));
    await system.untilState(before.id, 'completed');
    const reviewTicket = await system.ticket('Waits for a review', change('review'), REVIEWED);
    const review = await system.taskOf(reviewTicket, REVIEWED);
    await system.untilState(review.id, 'pr_opened');
    const workTicket = await system.ticket('Agent at work', [
      'name work',
      'write work/work.txt fine',
      'hold go',
      'commit Add work',
    ]);
    const work = await system.taskOf(workTicket);
    await system.agent('work');

    const file = join(system.dir, 'saved.tar.gz');
    expect(await capstan(system.dataDir, 'backup', file)).toMatchObject({ keys: true, agents: 1 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await system.detail(work.id)).toMatchObject({ state: 'running' });
    await system.capstan.down();

    const elsewhere = join(system.dir, 'elsewhere');
    await capstan(elsewhere, 'restore', file);
    const again = join(system.dir, 'again.tar.gz');
    await capstan(elsewhere, 'backup', again);
    expect(await tablesOf(again)).toEqual(await tablesOf(file));
    expect((await tablesOf(file)).find(({ name }) => name === 'task')).toMatchObject({ rows: 3 });

    system.dataDir = elsewhere;
    await system.start();
    expect(await system.detail(before.id)).toMatchObject({ state: 'completed' });
    system.open('go');
    const [pull] = await pullsOf(review.shortId, REVIEWED);
    await system.forge.actingAs('ann').review(REVIEWED, pull!.number, 'APPROVE');
    await system.untilState(review.id, 'completed', 60_000);
    const done = await system.untilState(work.id, 'completed', 120_000);
    expect(done.runs.map(({ reason }) => reason)).toEqual(['initial', 'retry']);

    for (const [task, fullName] of [
      [before, 'acme/app'],
      [work, 'acme/app'],
      [review, REVIEWED],
    ] as const) {
      const pulls = await pullsOf(task.shortId, fullName);
      expect(pulls).toHaveLength(1);
      expect(pulls[0]!.merged_at).not.toBeNull();
    }
    expect([requests('POST', /\/pulls$/), requests('PUT', /\/pulls\/\d+\/merge$/)]).toEqual([3, 3]);
    for (const [number, fullName] of [
      [workTicket, 'acme/app'],
      [reviewTicket, REVIEWED],
    ] as const) {
      await system.untilTicketClosed(number, 20_000, fullName);
      const comments = await system.atForge<{ body: string }[]>(`/repos/${fullName}/issues/${number}/comments`);
      expect(comments).toHaveLength(3);
    }
  }, 300_000);
});
