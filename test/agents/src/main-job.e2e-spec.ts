import { aSystem, type System } from '@capstan/test-support';
import { AGENT_CLIS, CLI_PATH, ScriptedModel, TOKENS_PER_ANSWER, type AgentCli } from '@capstan/test-support/agents';

/** Red at first, green once the prompt says what failed. */
const commit = (prompt: string) =>
  `mkdir -p work && echo ${prompt.includes('note.txt is RED') ? 'green' : 'RED'} > work/note.txt && git add -A && git commit -qm "Work on the note"`;

const fullName = ({ agent }: AgentCli) => `acme/${agent}`;

describe('The main job, by the real agent programs', () => {
  let system: System;
  let model: ScriptedModel;

  beforeAll(async () => {
    model = await ScriptedModel.start(commit);
    system = await aSystem({
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
});
