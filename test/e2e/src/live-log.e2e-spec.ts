import { aSystem, eventually, type System } from '@capstan/test-support';
import { LogClient } from './log-client.fixture.js';

const LINES = 20_000;
const BURSTS = 20;

describe('A log that is followed live', () => {
  let system: System;
  let client: LogClient | undefined;
  beforeAll(async () => {
    system = await aSystem();
  });
  afterAll(async () => {
    client?.stop();
    await system?.expectNothingLeft();
  });

  it('ends with exactly the lines that were printed, through cut links and a killed host', async () => {
    const each = LINES / BURSTS;
    const bursts = Array.from({ length: BURSTS }, (_, index) => [
      `print ${each} 1`,
      `say burst ${index + 1} of ${BURSTS}`,
    ]);
    const task = await system.task('Talks much', ['name talks', ...bursts.flat(), ...hold()]);
    await system.agent('talks');
    const run = await system.until(task.id, 'its run', ({ runs }) => runs[0]?.launchedAt != null);
    const runId = run.runs[0]!.id;
    client = new LogClient(system.capstan.url, system.capstan.token, runId);
    await client.start();
    const random = numbers(4711);
    let hostsKilled = 0;
    await eventually(
      () => {
        const seen = client!.lines.length;
        if (random() < 0.15) client!.cut();
        if (hostsKilled === 0 && seen > LINES / 3) {
          hostsKilled += 1;
          process.kill(system.capstan.hostPid, 'SIGKILL');
        }
        if (seen < LINES + BURSTS) throw new Error(`Only ${client!.tell()}`);
        return true;
      },
      90_000,
      100,
    );
    expect(hostsKilled).toBe(1);
    expect(client.cuts).toBeGreaterThan(10);
    system.open('done');
    await eventually(() => client!.phase === 'ended', 30_000);

    expect(client.lines.map(({ sequence }) => sequence)).toEqual(client.lines.map((_, index) => index + 1));
    const texts = client.lines.map(({ text }) => text).filter((text) => /^(line|burst) /.test(text));
    const wanted = Array.from({ length: BURSTS }, (_, burst) => [
      ...Array.from({ length: each }, (_, index) => `line ${index + 1} of ${each}`),
      `burst ${burst + 1} of ${BURSTS}`,
    ]).flat();
    expect(texts).toHaveLength(wanted.length);
    expect(texts.findIndex((text, index) => text !== wanted[index])).toBe(-1);
    expect((await system.log(runId)).map(({ sequence }) => sequence)).toEqual(
      client.lines.map(({ sequence }) => sequence),
    );
    await system.untilState(task.id, 'completed');
  });

  function hold(): readonly string[] {
    return ['hold done', 'write work/talks.txt fine', 'commit Talked'];
  }
});

/** Numbers in [0, 1) that are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
