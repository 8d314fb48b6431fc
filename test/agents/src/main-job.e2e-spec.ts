import type { Task, TaskRequest } from '@capstan/api';
import { aSystem, eventually, type System } from '@capstan/test-support';
import {
  AGENT_CLIS,
  CLI_PATH,
  ScriptedModel,
  TOKENS_PER_ANSWER,
  type AgentCli,
  type Step,
} from '@capstan/test-support/agents';
import { Gate } from './gate.fixture.js';

/** Red at first, green once the prompt says what failed. */
const commit = (prompt: string): string | readonly Step[] => {
  // The last one first: titles of earlier tasks are in the history that programs tell their model of.
  if (prompt.includes(HELD)) return ['echo begun', () => held.pass().then(() => 'echo fine > held.txt')];
  if (prompt.includes(SLOWLY)) return 'for i in 1 2 3 4 5 6; do sleep 1; done; echo fine > slow.txt';
  return note(prompt);
};
const note = (prompt: string) =>
  `mkdir -p work && echo ${prompt.includes('note.txt is RED') ? 'green' : 'RED'} > work/note.txt && git add -A && git commit -qm "Work on the note"`;

/** A ticket with this is work of some seconds. */
const SLOWLY = 'Take your time';
/** With this its model holds an answer back. */
const HELD = 'Wait for it';
const held = new Gate();

const fullName = ({ agent }: AgentCli) => `acme/${agent}`;

describe('The main job, by the real agent programs', () => {
  let system: System;
  let model: ScriptedModel;

  beforeAll(async () => {
    model = await ScriptedModel.start(commit);
    system = await aSystem({
      env: { CAPSTAN_ISOLATION: 'require' },
      repositories: AGENT_CLIS.map((cli) => ({
        fullName: fullName(cli),
        requiredChecks: ['test'],
        settings: {
          agent: {
            agent: cli.agent,
            model: cli.model,
            baseUrl: `${model.url}${cli.path}`,
            env: { PATH: CLI_PATH },
          },
        },
      })),
    });
    for (const name of new Set(AGENT_CLIS.map(({ secret }) => secret)))
      await system.capstan.call('PUT', `/api/secrets/${name}`, { value: `sk-scripted-${name.toLowerCase()}` });
  });
  afterAll(async () => {
    await model?.stop();
    await system?.expectNothingLeft();
  });

  it.each(AGENT_CLIS.map((cli) => [cli.agent, cli] as const))(
    '%s: an issue becomes a merged pull request, with one red check in between',
    async (_, cli) => {
      const number = await system.ticket('Write the note', ['name note'], fullName(cli));
      const task = await system.taskOf(number, fullName(cli));
      const done = await system.untilState(task.id, 'completed', 120_000);
      expect(done.runs.map(({ reason, outcome }) => [reason, outcome?.kind])).toEqual([
        ['initial', 'commits'],
        ['ci_failed', 'commits'],
      ]);
      const [pull, ...more] = await system.pullRequests(task.id);
      expect(more).toEqual([]);
      expect(pull).toMatchObject({ state: 'merged' });
      await system.untilTicketClosed(number, 20_000, fullName(cli));

      const logs = await Promise.all(done.runs.map(({ id }) => system.log(id)));
      for (const log of logs) {
        expect(log.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['tool_use', 'usage']));
        expect(log.filter(({ kind }) => kind === 'unknown').map(({ text }) => text.slice(0, 200))).toEqual([]);
      }
      // The second run went on from the first one's conversation.
      const database = await system.database();
      const { rows } = await database.query<{ session: string; input_tokens: string }>(
        `select session, (select sum(input_tokens) from usage where usage.run_id = run.id) as input_tokens
           from run where task_id = $1 order by number`,
        [task.id],
      );
      expect(rows[1]!.session).toBe(rows[0]!.session);
      expect(rows[0]!.session).not.toBe('');
      // Two answers each: what a resumed run is billed is its own, however the program counts.
      const tokens = cli.tellsNoTokens === true ? 0 : 2 * TOKENS_PER_ANSWER.input;
      expect(rows.map(({ input_tokens }) => Number(input_tokens))).toEqual([tokens, tokens]);
    },
  );

  it('claude-code: hears a message while it works, in the same run', async () => {
    const task = await system.post<Task>('/api/tasks', {
      repositoryId: system.repositoryId('acme/claude-code'),
      title: SLOWLY,
    });
    const working = await system.until(task.id, 'a tool at work', ({ runs }) => runs[0]?.state === 'running');
    const log = () => system.log(working.runs[0]!.id);
    await eventually(async () => (await log()).some(({ kind }) => kind === 'tool_use'), 20_000);
    const { id } = await system.post<TaskRequest>(`/api/tasks/${task.id}/message`, {
      text: 'Mention the moon, please',
    });
    await eventually(async () => {
      const { answer } = await system.get<TaskRequest>(`/api/requests/${id}`);
      if (answer?.applied !== true) throw new Error(`the message was answered ${JSON.stringify(answer)}`);
      return true;
    }, 20_000);
    const done = await system.untilState(task.id, 'completed', 60_000);
    expect(done.runs).toHaveLength(1);
    // The program's own account of it: taken in while the tool ran, given to the model with the tool's result.
    const words = (await log()).filter(({ text }) => /^Message (queued|started|completed)$/.test(text));
    expect(words.map(({ text }) => text)).toEqual(['Message queued', 'Message started', 'Message completed']);
  });

  it('claude-code: the host of all services is killed while its model answers; the same run goes on', async () => {
    const { id } = await system.post<Task>('/api/tasks', {
      repositoryId: system.repositoryId('acme/claude-code'),
      title: HELD,
    });
    await held.reached;
    const killed = system.capstan.hostPid;
    process.kill(killed, 'SIGKILL');
    await eventually(() => system.capstan.hostPid !== killed, 20_000);
    held.release();
    const done = await system.untilState(id, 'completed', 90_000);
    expect(done.runs.map(({ outcome }) => outcome?.kind)).toEqual(['commits']);
    expect(await system.pullRequests(id)).toMatchObject([{ state: 'merged' }]);
    expect(done.runs[0]!.usage).toMatchObject([{ inputTokens: 3 * TOKENS_PER_ANSWER.input }]);
    const log = await system.log(done.runs[0]!.id);
    expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_, index) => index + 1));
  });
});
