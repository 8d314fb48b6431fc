import type { Task, TaskDetail } from '@capstan/api';
import { aSystem, processesOf, type System } from '@capstan/test-support';
import { AGENT_CLIS, CLI_PATH, FaultyModel, REFUSED_KEY, type AgentCli } from '@capstan/test-support/agents';

const named = AGENT_CLIS.map((cli) => [cli.agent, cli] as const);

describe('Faults, with the real agent programs', () => {
  let system: System;
  let refusing: FaultyModel;
  let hanging: FaultyModel;

  const repository = (cli: AgentCli, kind: string, model: FaultyModel) => ({
    fullName: `${kind}/${cli.agent}`,
    webhook: false,
    ci: false,
    settings: {
      agent: { agent: cli.agent, model: cli.model, baseUrl: `${model.url}${cli.path}`, env: { PATH: CLI_PATH } },
    },
  });

  beforeAll(async () => {
    refusing = await FaultyModel.start(REFUSED_KEY);
    hanging = await FaultyModel.start('hang');
    system = await aSystem({
      env: { CAPSTAN_ISOLATION: 'require' },
      repositories: AGENT_CLIS.flatMap((cli) => [
        repository(cli, 'refused', refusing),
        repository(cli, 'hanging', hanging),
      ]),
    });
    for (const name of new Set(AGENT_CLIS.map(({ secret }) => secret)))
      await system.capstan.call('PUT', `/api/secrets/${name}`, { value: `sk-wrong-${name.toLowerCase()}` });
  });
  afterAll(async () => {
    await refusing?.stop();
    await hanging?.stop();
    await system?.expectNothingLeft();
  });

  const task = (fullName: string) =>
    system
      .post<Task>('/api/tasks', { repositoryId: system.repositoryId(fullName), title: 'Write a note' })
      .then(({ id }) => id);
  const firstRun = ({ runs }: TaskDetail) => runs[0];

  it.each(named)('%s: a refused key ends the task by name, soon, and is never printed', async (name, cli) => {
    const id = await task(`refused/${name}`);
    const detail = await system.until(
      id,
      'the end of the first run',
      (each) => firstRun(each)?.outcome != null,
      90_000,
    );
    const { outcome, id: runId } = firstRun(detail)!;
    // Codex tells a refused key in words alone, which nothing is decided by.
    expect(outcome).toMatchObject(
      cli.agent === 'codex'
        ? { kind: 'failed', symptom: 'agent_provider_unavailable' }
        : { kind: 'credential_refused', symptom: 'agent_credential_refused' },
    );
    const log = await system.log(runId);
    expect(JSON.stringify(log)).not.toContain('sk-wrong-');
    await system.post(`/api/tasks/${id}/cancel`).catch(() => undefined); // over already, where it failed for good
  });

  it.each(named)('%s: an agent that waits for its model is cancelled with all that it started', async (name) => {
    const before = hanging.asked.length;
    const id = await task(`hanging/${name}`);
    await system.until(
      id,
      'a request to the model',
      (each) => firstRun(each)?.state === 'running' && hanging.asked.length > before,
      60_000,
    );
    await system.post(`/api/tasks/${id}/cancel`);
    const detail = await system.untilState(id, 'cancelled', 60_000);
    expect(firstRun(detail)).toMatchObject({ state: 'finished', outcome: { kind: 'stopped' } });
    const left = processesOf(system.dir).filter(({ command }) => command.includes('test/agents/clis'));
    expect(left).toEqual([]);
  });
});
