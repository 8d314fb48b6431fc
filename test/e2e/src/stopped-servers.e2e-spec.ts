import { readFileSync } from 'node:fs';
import { aSystem, change, eventually, type System } from '@capstan/test-support';

/** How long a server says nothing. ms */
const STOPPED_MS = 20_000;
const ASK_EVERY_MS = 7_000;
/** By when a request has its answer all the same. ms */
const ANSWER_WITHIN_MS = 15_000;
/** By when everything has to be level again. ms */
const LEVEL_WITHIN_MS = 30_000;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly ms: number;
  readonly body: { readonly id?: string; readonly code?: string };
}

describe('When a server stops answering for 20 seconds', () => {
  let system: System;
  beforeAll(async () => {
    system = await aSystem();
  }, 120_000);
  afterAll(() => system?.expectNothingLeft());

  it('Postgres: requests are refused in time, agents print on, and nothing is lost', async () => {
    const { running, pid, hostPid } = await begin('postgres');
    const answers = await whileStopped(system.servers().postgres.process.pid, () => post('Refused'));
    const since = performance.now();

    expect(answers.length).toBeGreaterThan(0);
    for (const { status, retryAfter, ms, body } of answers) {
      expect({ status, code: body.code, retryAfter: Number(retryAfter) > 0 }).toEqual({
        status: 503,
        code: 'database_unavailable',
        retryAfter: true,
      });
      expect(ms).toBeLessThan(ANSWER_WITHIN_MS);
    }
    expect(isAlive(pid)).toBe(true);
    const after = await system.task('Afterwards', change('after-postgres'));
    await level(since, running.id, after.id);
    expect(system.capstan.hostPid).toBe(hostPid);
    expect(await countedLines(running.id)).toEqual(expect.arrayContaining(['line 100']));
  }, 150_000);

  it('NATS: requests are taken, and what they ask for is done when it is back', async () => {
    const { running, pid, hostPid } = await begin('nats');
    const taken: string[] = [];
    const answers = await whileStopped(system.servers().nats.process.pid, async () => {
      const answer = await post(`Taken ${taken.length}`, change(`taken-${taken.length}`));
      taken.push(answer.body.id ?? 'none');
      return answer;
    });
    const since = performance.now();
    for (const { status } of answers) expect(status).toBe(201);
    expect(isAlive(pid)).toBe(true);
    await level(since, running.id, ...taken);
    expect(system.capstan.hostPid).toBe(hostPid);
    await countedLines(running.id);
  }, 150_000);

  /** A task whose agent prints ten lines a second until it is told to end. */
  async function begin(name: string) {
    const running = await system.task(`At work: ${name}`, [
      `name ${name}`,
      `tick end-${name} 100`,
      ...change(name).slice(1),
    ]);
    const { pid } = await system.agent(name);
    const hostPid = system.capstan.hostPid;
    gate = `end-${name}`;
    return { running, pid, hostPid };
  }
  let gate = '';

  /** Stops a server and all its processes; asks again and again meanwhile. */
  async function whileStopped(server: number, ask: () => Promise<Answer>): Promise<readonly Answer[]> {
    const stopped = family(server);
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    const answers: Answer[] = [];
    try {
      for (const until = performance.now() + STOPPED_MS; performance.now() < until;) {
        answers.push(await ask());
        // The outage is a length of time, and so is what lies between two requests of a patient client.
        await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
      }
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT');
    }
    return answers;
  }

  async function post(title: string, lines: readonly string[] = []): Promise<Answer> {
    const began = performance.now();
    const response = await fetch(`${system.capstan.url}/api/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.capstan.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        repositoryId: system.repositoryId(),
        title,
        body: lines.map((line) => `do: ${line}`).join('\n'),
      }),
    });
    const body = (await response.json()) as Answer['body'];
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      ms: performance.now() - began,
      body,
    };
  }

  /** Lets the agent end, and waits until these tasks are merged and nothing is left to be told or done. */
  async function level(since: number, ...tasks: readonly string[]): Promise<void> {
    const left = () => Math.max(1, LEVEL_WITHIN_MS - (performance.now() - since));
    system.open(gate);
    for (const id of tasks) await system.untilState(id, 'completed', left());
    const database = await system.database();
    await eventually(async () => {
      const { rows } = await database.query<{ count: string }>(
        `select (select count(*) from outbox) + (select count(*) from effect where state in ('requested','claimed')) as count`,
      );
      return rows[0]!.count === '0';
    }, 10_000);
  }

  /** Every line of the agent's, once and in order. */
  async function countedLines(taskId: string): Promise<string[]> {
    const { runs } = await system.detail(taskId);
    const texts = (await system.log(runs[0]!.id)).map(({ text }) => text);
    const lines = texts.filter((text) => text.startsWith('line '));
    const printed = Number(/^printed (\d+)$/.exec(texts.find((text) => text.startsWith('printed ')) ?? '')?.[1]);
    expect(lines).toEqual(Array.from({ length: printed }, (_, index) => `line ${index + 1}`));
    return lines;
  }
});

/** A process and all that descend from it. */
function family(root: number): number[] {
  const children = readFileSync(`/proc/${root}/task/${root}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [root, ...children.flatMap((pid) => family(Number(pid)))];
}

/** A zombie is dead all the same. */
function isAlive(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0]!);
}
