import type { TaskDetail } from '@capstan/api';
import { aSystem, eventually, freePorts, LoneHost, type System } from '@capstan/test-support';
import { AGENT_CLIS, CLI_PATH, ScriptedModel, TOKENS_PER_ANSWER, type Step } from '@capstan/test-support/agents';
import { Gate } from './gate.fixture.js';
import { FIRST_PART, HALVED, PackageRegistry, UNANSWERED } from './package-registry.fixture.js';

const EVERYTHING_ELSE = 'gateway,scheduler,pod-pool,agent-runner,pr-watcher,ticket-sync,webhooks';
/** Whether the program counts an answer that was cut off, as its provider does; egress counts what came to its end. */
const COUNTS_CUT: Readonly<Record<string, boolean>> = { 'claude-code': true, codex: false };
const TRIED = AGENT_CLIS.filter(({ agent }) => agent in COUNTS_CUT);
const ANSWERS = 4;
/** An answer that takes its time: some four seconds, at this pace. */
const PACE = { chunkSize: 20, latency: 40 };
const LONG = `: ${'so be it '.repeat(220)}`;

/** Egress in a process of its own, as in a cluster, which is killed and comes back: agents at work only wait. */
describe('Egress is killed in mid-run', () => {
  let system: System;
  let egress: LoneHost;
  let model: ScriptedModel;
  let registry: PackageRegistry;
  let env: Readonly<Record<string, string>>;
  const answer = new Map(TRIED.map(({ agent }) => [agent, new Gate()]));

  const script = (prompt: string): readonly Step[] => {
    const gate = answer.get(/by (claude-code|codex)/.exec(prompt)?.[1] ?? '')!;
    return [
      'mkdir -p work && echo one > work/note.txt',
      async () => {
        await gate.pass();
        return `for i in 1 2 3 4 5 6; do sleep 1; done; echo two >> work/note.txt; ${LONG}`;
      },
      'git add -A && git commit -qm "Write the note"',
    ];
  };

  beforeAll(async () => {
    model = await ScriptedModel.start(script, PACE);
    registry = await PackageRegistry.start();
    env = { CAPSTAN_ISOLATION: 'require', CAPSTAN_EGRESS_PRIVATE_HOSTS: registry.host };
    const egressPort = String(await freePorts(1));
    system = await aSystem({
      env: { ...env, CAPSTAN_SERVICES: EVERYTHING_ELSE, CAPSTAN_EGRESS_PORT: egressPort },
      repositories: [
        ...TRIED.map(({ agent, model: name, path }) => ({
          ...{ fullName: `acme/${agent}`, requiredChecks: ['test'] },
          settings: { agent: { agent, model: name, baseUrl: `${model.url}${path}`, env: { PATH: CLI_PATH } } },
        })),
        ...[['acme/waiting', UNANSWERED] as const, ['acme/receiving', HALVED] as const].map(([fullName, name]) => ({
          ...{ fullName, requiredChecks: ['test'] },
          settings: { egressHosts: [registry.host], agent: installing(name, registry.url) },
        })),
      ],
    });
    env = { ...env, CAPSTAN_EGRESS_PORT: egressPort, CAPSTAN_EGRESS_URL: `http://127.0.0.1:${egressPort}` };
    await startEgress();
    for (const { secret } of TRIED)
      await system.capstan.call('PUT', `/api/secrets/${secret}`, { value: `sk-scripted-${secret.toLowerCase()}` });
  });
  afterAll(async () => {
    await egress?.kill();
    await system?.expectNothingLeft();
    await model?.stop();
    await registry?.stop();
  });

  const startEgress = async (): Promise<void> => {
    egress = await LoneHost.start(system, 'egress', env);
    await egress.untilReady();
  };
  const linesOf = async (id: string) => {
    const run = (await system.detail(id)).runs[0];
    return run === undefined ? [] : system.log(run.id);
  };
  /** Waits until the log has so many lines of a kind. */
  const lines = (id: string, kind: string, count: number) =>
    eventually(async () => (await linesOf(id)).filter((line) => line.kind === kind).length >= count, 60_000);
  const used = async (runId: string) => {
    const database = await system.database();
    const { rows } = await database.query<{ calls: number; input: number; output: number }>(
      `select sum(calls)::int as calls, sum(input_tokens)::int as input, sum(output_tokens)::int as output
         from model_use where run_id = $1`,
      [runId],
    );
    return rows[0]!;
  };
  const received = async (runId: string) => {
    const database = await system.database();
    const { rows } = await database.query<{ bytes: number }>(
      'select coalesce(sum(bytes_down), 0)::int as bytes from run_network where run_id = $1',
      [runId],
    );
    return rows[0]!.bytes;
  };
  /** One pull request, merged; each outcome beyond the first is a try that was used up. */
  const expectMerged = async (id: string, outcomes: readonly string[]): Promise<TaskDetail> => {
    const done = await system.untilState(id, 'completed', 120_000);
    expect(done.runs.map(({ outcome }) => outcome?.kind)).toEqual(outcomes);
    expect(await system.pullRequests(id)).toMatchObject([{ state: 'merged' }]);
    return done;
  };

  it.each(TRIED.map(({ agent }) => agent))(
    '%s: before its model answers, in mid-answer and between two calls; nothing is lost, nothing counted twice',
    async (agent) => {
      const gate = answer.get(agent)!;
      const number = await system.ticket(`Write the note by ${agent}`, ['name note'], `acme/${agent}`);
      const { id } = await system.taskOf(number, `acme/${agent}`);
      await gate.reached;
      const runId = (await system.detail(id)).runs[0]!.id;
      // What was answered more than a second ago is in Postgres; what a killed egress had in memory is gone.
      await eventually(async () => (await used(runId)).calls === 1, 10_000);
      await egress.kill();
      const before = await received(runId);
      gate.release();
      await startEgress();

      await eventually(async () => (await received(runId)) > before, 30_000);
      expect(await used(runId)).toMatchObject({ calls: 1 });
      await egress.kill();
      await startEgress();

      await lines(id, 'tool_use', 2);
      await eventually(async () => (await used(runId)).calls === 2, 10_000);
      await egress.kill();
      // The next call finds nobody there.
      await lines(id, 'tool_result', 2);
      await startEgress();

      const done = await expectMerged(id, ['commits']);
      const { input, output } = TOKENS_PER_ANSWER;
      await eventually(async () => (await used(runId)).calls >= ANSWERS, 5_000);
      expect(await used(runId)).toEqual({ calls: ANSWERS, input: ANSWERS * input, output: ANSWERS * output });
      const [usage, ...more] = done.runs[0]!.usage;
      expect(more).toEqual([]);
      const told = ANSWERS + (COUNTS_CUT[agent] === true ? 1 : 0);
      expect(usage).toMatchObject({ inputTokens: told * input });
      if (told === ANSWERS) expect(usage).toMatchObject({ outputTokens: ANSWERS * output });
    },
  );

  it('a command that waits for a package: npm asks again', async () => {
    const number = await system.ticket('Install the package', ['name package'], 'acme/waiting');
    const { id } = await system.taskOf(number, 'acme/waiting');
    await registry.unanswered.reached;
    await egress.kill();
    registry.unanswered.release();
    await startEgress();
    await expectMerged(id, ['commits']);
    expect(registry.asked.get(UNANSWERED)).toBe(2);
  });

  it('a command that has half a package: npm asks no second time and the task says so; tried again, it is merged', async () => {
    const number = await system.ticket('Install the package', ['name package'], 'acme/receiving');
    const { id } = await system.taskOf(number, 'acme/receiving');
    await registry.halved.reached;
    const runId = (await system.detail(id)).runs[0]!.id;
    await eventually(async () => (await received(runId)) >= FIRST_PART, 10_000);
    await egress.kill();
    registry.halved.release();
    await startEgress();
    expect((await system.untilState(id, 'failed')).attention).toMatchObject({ code: 'agent_exited' });
    await system.post(`/api/tasks/${id}/retry`);
    await expectMerged(id, ['failed', 'commits']);
    expect(registry.asked.get(HALVED)).toBe(2);
  });
});

/** npm, told to go through the proxy to a host that it would take for its own. */
function installing(name: string, registryUrl: string) {
  const install = `npm install --no-audit --no-fund --registry ${registryUrl} ${name}`;
  const commit = `rm -r node_modules && git add -A && git commit -qm "Add the ${name}"`;
  return {
    agent: 'command',
    argv: ['sh', '-c', `${install} && test -f node_modules/${name}/index.js && ${commit}`],
    env: { NO_PROXY: 'nowhere.invalid', no_proxy: 'nowhere.invalid' },
  };
}
