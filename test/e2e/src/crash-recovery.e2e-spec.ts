import { aSystem, processesOf, type System } from '@capstan/test-support';

const EVERY_MS = 20;

describe('After kill -9 in mid-run', () => {
  let system: System;
  beforeAll(async () => {
    system = await aSystem();
  });
  afterAll(() => system?.expectNothingLeft());

  it.each([
    { what: 'launcher and host', servers: false, name: 'alone' },
    { what: 'launcher, host, Postgres and NATS', servers: true, name: 'withservers' },
  ])('of $what, the same agent goes on, no line is lost or repeated, and one pull request is merged', async (each) => {
    const number = await system.ticket(`Survives ${each.name}`, [
      `name ${each.name}`,
      `tick ${each.name} ${EVERY_MS}`,
      `write work/${each.name}.txt fine`,
      `commit Add ${each.name}`,
    ]);
    const task = await system.taskOf(number);
    const agent = await system.agent(each.name);
    const before = await system.until(task.id, 'first lines', ({ runs }) => (runs[0]?.logLines ?? 0) > 20, 20_000);
    const killed = [system.capstan.pid, system.capstan.hostPid, ...(each.servers ? system.capstan.serverPids() : [])];
    system.capstan.killHard({ servers: each.servers });
    expect(alive(agent.pid)).toBe(true);
    await system.start();
    for (const pid of [system.capstan.pid, system.capstan.hostPid]) expect(killed).not.toContain(pid);
    expect(alive(agent.pid)).toBe(true);
    expect(await system.detail(task.id)).toMatchObject({ state: 'running', runs: [{ id: before.runs[0]!.id }] });

    const after = before.runs[0]!.logLines;
    await system.until(task.id, 'further lines', ({ runs }) => runs[0]!.logLines > after + 200, 20_000);
    system.open(each.name);

    const done = await system.untilState(task.id, 'completed', 60_000);
    expect(done.runs).toHaveLength(1);
    const lines = await system.log(done.runs[0]!.id);
    expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, index) => index + 1));
    const texts = lines.map(({ text }) => text).filter((text) => /^(line|printed) \d+$/.test(text));
    expect(texts).toEqual([
      ...Array.from({ length: texts.length - 1 }, (_, index) => `line ${index + 1}`),
      `printed ${texts.length - 1}`,
    ]);
    await expectOneOfEach(number, task.shortId);
  });

  /** One branch, one pull request, one merge; three comments, each once; the ticket closed. */
  async function expectOneOfEach(number: number, shortId: string): Promise<void> {
    const pulls = await system.atForge<{ head: { ref: string }; number: number; merged_at: string | null }[]>(
      '/repos/acme/app/pulls?state=all&per_page=100',
    );
    const mine = pulls.filter(({ head }) => head.ref.startsWith(`capstan/${shortId}`));
    expect(mine).toHaveLength(1);
    expect(mine[0]!.merged_at).not.toBeNull();
    await system.untilTicketClosed(number);
    const comments = await system.atForge<{ body: string }[]>(`/repos/acme/app/issues/${number}/comments`);
    expect(comments.map(({ body }) => body.split(' ').slice(0, 2).join(' '))).toEqual([
      'Capstan picked',
      'The work',
      expect.stringMatching(/^Done/) as string,
    ]);
  }

  function alive(pid: number): boolean {
    return processesOf(system.dir).some((each) => each.pid === pid);
  }
});
