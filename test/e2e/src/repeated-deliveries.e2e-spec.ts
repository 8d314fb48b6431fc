import type { Task } from '@capstan/api';
import { aSystem, change, type FaultRule, type System } from '@capstan/test-support';
import { RepeatingRelay } from './repeating-relay.fixture.js';

const REPOSITORY = 'acme/app';

describe('Whatever the forge does to requests and deliveries', () => {
  let system: System;
  let relay: RepeatingRelay;
  beforeAll(async () => {
    system = await aSystem({
      repositories: [{ fullName: REPOSITORY, requiredChecks: ['test'], webhook: false }],
      // Polls, sweeps and deliveries get in each other's way all the time.
      env: {
        CAPSTAN_PR_WATCH_INTERVAL_MS: '700',
        CAPSTAN_TICKET_POLL_INTERVAL_MS: '700',
        CAPSTAN_MAX_CONCURRENT: '10',
      },
    });
    relay = new RepeatingRelay(() => system.capstan.url);
    system.forge.createWebhook(REPOSITORY, {
      url: `${await relay.listen()}/hooks/github/${system.repositoryId()}`,
      secret: system.webhookSecret,
      events: ['*'],
    });
  });
  afterAll(async () => {
    await relay?.close();
    await system?.expectNothingLeft();
  });

  it('repeated, late and overtaking deliveries give one of each', async () => {
    const names = ['north', 'east', 'south'];
    const numbers = await Promise.all(names.map((name) => system.ticket(`Ticket ${name}`, change(name))));
    const tasks = await Promise.all(numbers.map((number) => system.taskOf(number)));
    for (const { id } of tasks) await system.untilState(id, 'completed', 90_000);
    for (const number of numbers) await system.untilTicketClosed(number);
    await system.forge.settled();
    await relay.settled();

    for (const [index, task] of tasks.entries()) await expectOneOfEach(task, numbers[index]!);
    const { items } = await system.get<{ items: Task[] }>('/api/tasks?limit=200');
    expect(items).toHaveLength(names.length);
    expect(relay.received).toBeGreaterThan(20);
    expect(new Set(relay.statuses.genuine)).toEqual(new Set([202, 200]));
    expect(relay.statuses.genuine.filter((status) => status === 202)).toHaveLength(relay.received);
    expect(relay.statuses.forged.length).toBeGreaterThan(5);
    expect(new Set(relay.statuses.forged)).toEqual(new Set([401]));
  });

  // Each fault in a repository of its own, so that the waits for what became of a request overlap.
  it('lost answers and refusals for a while give one of each', async () => {
    const lost = { afterExecution: true } as const;
    const limited = {
      status: 403,
      headers: { 'retry-after': '1' },
      message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
    };
    const broken = { status: 502, message: 'Server Error' };
    const faults: Record<string, FaultRule> = {
      'lost-push': { method: 'POST', path: /\/lost-push\.git\/git-receive-pack/, ...lost },
      'lost-open': { method: 'POST', path: /\/lost-open\/pulls$/, ...lost },
      'lost-comment': { method: 'POST', path: /\/lost-comment\/issues\/\d+\/comments$/, ...lost },
      'lost-merge': { method: 'PUT', path: /\/lost-merge\/pulls\/\d+\/merge$/, ...lost },
      'no-push': { path: /\/no-push\.git\/.*git-receive-pack/, ...broken },
      'no-open': { method: 'POST', path: /\/no-open\/pulls$/, ...limited },
      'no-merge': { method: 'PUT', path: /\/no-merge\/pulls\/\d+\/merge$/, ...broken },
      'no-read': { method: 'GET', path: /\/repos\/acme\/no-read\//, times: 8, ...broken },
    };
    const names = Object.keys(faults);
    await Promise.all(names.map((name) => system.addRepository({ fullName: `acme/${name}` })));
    for (const rule of Object.values(faults)) system.forge.inject(rule);
    await Promise.all(
      names.map(async (name) => {
        const number = await system.ticket(`Meets ${name}`, change(name), `acme/${name}`);
        const task = await system.taskOf(number, `acme/${name}`);
        await system.untilState(task.id, 'completed', 100_000);
        await system.untilTicketClosed(number, 60_000, `acme/${name}`);
        await expectOneOfEach(task, number, `acme/${name}`);
      }),
    );
    const statuses = system.forge.journal.map((entry) => (entry.kind === 'request' ? entry.status : 200));
    const count = (status: number) => statuses.filter((each) => each === status).length;
    expect({ lost: count(0), limited: count(403), broken: count(502) }).toEqual({ lost: 4, limited: 1, broken: 10 });
  }, 180_000);

  /** One branch made, one pull request, one merge, three comments each once, closed once. */
  async function expectOneOfEach({ shortId }: Task, number: number, fullName = REPOSITORY): Promise<void> {
    const pulls = await system.atForge<{ number: number; head: { ref: string }; merged_at: string | null }[]>(
      `/repos/${fullName}/pulls?state=all&per_page=100`,
    );
    const mine = pulls.filter(({ head }) => head.ref.startsWith(`capstan/${shortId}`));
    expect(mine).toHaveLength(1);
    expect(mine[0]!.merged_at).not.toBeNull();
    const made = system.forge.journal.filter(
      (entry) => entry.kind === 'push' && entry.ref.includes(shortId) && /^0+$/.test(entry.before),
    );
    expect(made).toHaveLength(1);
    const comments = await system.atForge<{ body: string }[]>(`/repos/${fullName}/issues/${number}/comments`);
    expect(comments.map(({ body }) => body.split(' ').slice(0, 2).join(' '))).toEqual([
      'Capstan picked',
      'The work',
      expect.stringMatching(/^Done/) as string,
    ]);
  }
});
