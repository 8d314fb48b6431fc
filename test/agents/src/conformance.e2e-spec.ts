import type { Task, TaskDetail, TaskRequest } from '@capstan/api';
import { aSystem, eventually, processesOf, type System } from '@capstan/test-support';
import { AGENT_CLIS, CLI_PATH, ScriptedModel, type Step } from '@capstan/test-support/agents';
import { AGENT_TRAITS, type AgentTraits } from './agent-traits.js';
import { Gate } from './gate.fixture.js';

/** The work that every case has to show. */
const NOTE = 'mkdir -p work && echo fine > work/note.txt && git add -A && git commit -qm "Write the note"';
/** Longer than any of this takes: who comes to its end has not been stopped. */
const SLOWLY = 'for i in $(seq 100); do sleep 1; done';
/** Far more than egress waits, or anybody here. */
const LIMIT_SECONDS = 900;
const NEVER: Step = () => new Promise(() => undefined);

/** Repositories with a key of their own: a limit is the key's, and holds for whoever uses it. */
const WITH_OWN_KEYS = ['limited', 'overloaded'] as const;

const ALL = AGENT_CLIS.map(({ agent }) => [agent, AGENT_TRAITS[agent]!] as const);
const HEARING = ALL.flatMap(([agent, { interrupt }]) => (interrupt === true ? [agent] : []));
const DEAF = ALL.flatMap(([agent, { interrupt }]) => (interrupt === true ? [] : [[agent, interrupt.because] as const]));

/** A time that no other process sleeps for: by it one that was left behind is known. */
const sleepOf = (agent: string) => `86399.${ALL.findIndex(([name]) => name === agent)}17`;

describe('What the port of agents promises, with the real programs', () => {
  let system: System;
  let model: ScriptedModel;
  const overloads = new Map<string, number>();
  const held = new Map(DEAF.map(([agent]) => [agent, new Gate()]));

  /** What the model answers, by the title of the task. */
  const scripts: Readonly<Record<string, (agent: string, traits: AgentTraits) => readonly Step[]>> = {
    'Fail once': (_, { failingCall }) => [failingCall, NOTE],
    'Never end': (_, { limit }) => [NOTE, ...(limit.because === undefined ? ['echo 2', 'echo 3', SLOWLY] : [NEVER])],
    'Leave a child': (agent) => [
      // By its own word: a shell with job control has setsid fork, and knows another process by $!.
      `setsid sh -c 'echo $$ > "$HOME/child"; exec sleep ${sleepOf(agent)}' </dev/null >/dev/null 2>&1 & sleep 1`,
      // Without `$(…)` and `kill`: some of them look at a command before they run it.
      `read child < "$HOME/child" && test -d /proc/$child && ${NOTE}`,
    ],
    'Be limited': () => [{ status: 429, message: 'This would exceed your limit', retryAfterSeconds: LIMIT_SECONDS }],
    'Be too many': (agent) => [
      () => {
        const times = (overloads.get(agent) ?? 0) + 1;
        overloads.set(agent, times);
        return times === 1 ? { status: 529, message: 'Overloaded' } : NOTE;
      },
    ],
    'Be interrupted': () => [SLOWLY, NOTE],
    'Hear nothing': (agent) => [
      NOTE,
      () =>
        held
          .get(agent)!
          .pass()
          .then(() => 'echo over'),
    ],
  };

  beforeAll(async () => {
    model = await ScriptedModel.start((prompt) => {
      const [, title = '', agent = ''] = /(\w[\w ]+), (claude-code|\w+)!/.exec(prompt) ?? [];
      return scripts[title]!(agent, AGENT_TRAITS[agent]!);
    });
    system = await aSystem({
      env: { CAPSTAN_ISOLATION: 'require' },
      repositories: AGENT_CLIS.flatMap(({ agent, model: name, path }) =>
        ['acme', ...WITH_OWN_KEYS].map((owner) => ({
          ...{ fullName: `${owner}/${agent}`, webhook: false, ci: false },
          settings: { agent: { agent, model: name, baseUrl: `${model.url}${path}`, env: { PATH: CLI_PATH } } },
        })),
      ),
    });
    for (const { agent, secret } of AGENT_CLIS)
      for (const owner of WITH_OWN_KEYS)
        await system.capstan.call('PUT', `/api/secrets/${secret}`, {
          ...{ value: `sk-${owner}-${agent}`, repositoryId: system.repositoryId(`${owner}/${agent}`) },
        });
    for (const name of new Set(AGENT_CLIS.map(({ secret }) => secret)))
      await system.capstan.call('PUT', `/api/secrets/${name}`, { value: `sk-scripted-${name.toLowerCase()}` });
    // A minute is the shortest time that a run may have: it passes while the others are looked at.
    for (const [agent, { limit }] of ALL) if (limit.because !== undefined) await neverEnding(agent, limit.limits);
  });
  afterAll(async () => {
    // In this order: an agent that waits for the model would have it wait too.
    await system?.expectNothingLeft();
    await model?.stop();
  });

  const begin = async (agent: string, title: string, limits = {}, owner = 'acme'): Promise<string> => {
    const repositoryId = system.repositoryId(`${owner}/${agent}`);
    const { id } = await system.post<Task>('/api/tasks', { repositoryId, title: `${title}, ${agent}!`, limits });
    return id;
  };
  const begun = new Map<string, Promise<string>>();
  const neverEnding = (agent: string, limits: object): Promise<string> => {
    const task = begun.get(agent) ?? begin(agent, 'Never end', limits);
    begun.set(agent, task);
    return task;
  };
  const ended = (id: string, withinMs = 60_000) =>
    system.until(id, 'the end of its first run', ({ runs }) => runs[0]?.outcome != null, withinMs);
  const onlyRun = ({ runs }: TaskDetail) => {
    expect(runs).toHaveLength(1);
    return runs[0]!;
  };
  const linesOf = async (id: string) => {
    const run = (await system.detail(id)).runs[0];
    return run === undefined ? [] : system.log(run.id);
  };
  const toolAtWork = (id: string) =>
    eventually(async () => (await linesOf(id)).some(({ kind }) => kind === 'tool_use'), 60_000);
  /** Asks something of a task, and waits for what the scheduler says: the code of its answer. */
  const ask = async (id: string, what: 'message' | 'interrupt', body = {}): Promise<string> => {
    const answer = await fetch(`${system.capstan.url}/api/tasks/${id}/${what}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.capstan.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const said = (await answer.json()) as TaskRequest & { readonly code?: string };
    if (answer.status !== 202) return said.answer?.code ?? said.code ?? `status ${answer.status}`;
    return eventually(async () => {
      const request = await system.get<TaskRequest>(`/api/requests/${said.id}`);
      return request.answer?.code ?? false;
    }, 20_000);
  };

  it.each(ALL)('%s: a call that fails stands in the log as such, and the run goes on and ends well', async (agent) => {
    const id = await begin(agent, 'Fail once');
    expect(onlyRun(await ended(id)).outcome).toMatchObject({ kind: 'commits', commitCount: 1 });
    const results = (await linesOf(id)).filter(({ kind }) => kind === 'tool_result');
    expect(results.map(({ data }) => data?.['isError'])).toEqual([true, false]);
  });

  it.each(ALL)('%s: what a tool leaves behind in a session of its own ends with the run', async (agent) => {
    const id = await begin(agent, 'Leave a child');
    // Committed only where the child was alive in the next call.
    expect(onlyRun(await ended(id)).outcome).toMatchObject({ kind: 'commits', commitCount: 1 });
    expect(processesOf(sleepOf(agent))).toEqual([]);
  });

  it.each(ALL)('%s: at its provider’s limit the run ends, and the task waits for its end at no cost', async (agent) => {
    const waiting = async () => {
      const id = await begin(agent, 'Be limited', {}, 'limited');
      const detail = await system.until(id, 'its wait', ({ state, runs }) => state === 'queued' && runs.length > 0);
      expect(onlyRun(detail).outcome).toMatchObject({ kind: 'rate_limited', symptom: 'agent_rate_limited' });
      const database = await system.database();
      const { rows } = await database.query<{ retries: number; seconds: number }>(
        'select retries, extract(epoch from not_before - clock_timestamp())::float8 as seconds from task where id = $1',
        [id],
      );
      expect(rows[0]!.retries).toBe(0);
      expect(rows[0]!.seconds).toBeGreaterThan(LIMIT_SECONDS - 120);
      expect(rows[0]!.seconds).toBeLessThanOrEqual(LIMIT_SECONDS);
    };
    await waiting();
    // Another task of the same key waits as well, and its agent's provider isn't asked again.
    await waiting();
    expect(model.prompts.filter((prompt) => prompt.includes(`Be limited, ${agent}!`))).toHaveLength(1);
  });

  it.each(ALL)('%s: what its provider is too busy for is asked again, and the run goes on', async (agent) => {
    const id = await begin(agent, 'Be too many', {}, 'overloaded');
    expect(onlyRun(await ended(id)).outcome).toMatchObject({ kind: 'commits', commitCount: 1 });
    expect(overloads.get(agent)).toBe(2);
  });

  it.each(HEARING)('%s: an interrupt ends its turn and nothing else: told to, it goes on', async (agent) => {
    const id = await begin(agent, 'Be interrupted');
    await toolAtWork(id);
    expect(await ask(id, 'interrupt')).toBe('delivered');
    await eventually(
      async () => (await linesOf(id)).some(({ data }) => String(data?.['reason']).startsWith('aborted')),
      20_000,
    );
    expect(await ask(id, 'message', { text: 'Go on with the next step' })).toBe('delivered');
    expect(onlyRun(await ended(id)).outcome).toMatchObject({ kind: 'commits', commitCount: 1 });
  });

  it.each(DEAF)('%s: an interrupt is refused and does no harm, because %s', async (agent) => {
    const id = await begin(agent, 'Hear nothing');
    const gate = held.get(agent)!;
    await gate.reached;
    expect(await ask(id, 'interrupt')).toBe('not_interruptible');
    gate.release();
    expect(onlyRun(await ended(id)).outcome).toMatchObject({ kind: 'commits', commitCount: 1 });
  });

  it.each(ALL.map(([agent, { limit }]) => [agent, Object.entries(limit.limits).join(), limit] as const))(
    '%s: at its limit (%s) it is ended, its work is kept, and a person is asked',
    async (agent, _, { limits, symptom }) => {
      const id = await neverEnding(agent, limits);
      const detail = await system.untilState(id, 'needs_attention', 120_000);
      expect(onlyRun(detail).outcome).toMatchObject({ kind: 'limit_reached', symptom, commitCount: 1 });
      expect(detail.attention).toMatchObject({ code: symptom });
    },
  );
});
