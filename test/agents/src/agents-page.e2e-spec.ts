import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentTest, routes } from '@capstan/api';
import { aSystem, eventually, plainEnvironment, type System } from '@capstan/test-support';
import { AGENT_CLIS, CLI_PATH, ScriptedModel } from '@capstan/test-support/agents';
import type { z } from 'zod';

type Agent = z.output<(typeof routes.listAgents)['answer'] & z.ZodType>['items'][number];

describe('What is told of the real agent programs, and a try of each', () => {
  let system: System;
  let model: ScriptedModel;
  let home: string;

  beforeAll(async () => {
    model = await ScriptedModel.start(() => []);
    home = mkdtempSync(join(tmpdir(), 'capstan-home-'));
    mkdirSync(join(home, '.codex'));
    writeFileSync(join(home, '.codex', 'auth.json'), JSON.stringify({ OPENAI_API_KEY: 'sk-of-the-log-in' }));
    system = await aSystem({
      env: {
        CAPSTAN_ISOLATION: 'require',
        CAPSTAN_LOGIN_HOME: home,
        PATH: `${CLI_PATH}:${plainEnvironment()['PATH'] ?? ''}`,
      },
      repositories: AGENT_CLIS.map((cli) => ({
        fullName: `acme/${cli.agent}`,
        settings: { agent: { agent: cli.agent, model: cli.model, baseUrl: `${model.url}${cli.path}` } },
      })),
    });
    for (const name of new Set(AGENT_CLIS.map(({ secret }) => secret)))
      if (name !== 'OPENAI_API_KEY')
        await system.capstan.call('PUT', `/api/secrets/${name}`, { value: `sk-scripted-${name.toLowerCase()}` });
  });
  afterAll(async () => {
    await model?.stop();
    await system?.expectNothingLeft();
    rmSync(home, { recursive: true });
  });

  const agents = async () => (await system.get<{ items: Agent[] }>('/api/agents')).items;
  const named = async (name: string) => (await agents()).find((agent) => agent.name === name)!;
  const tested = async (name: string, body: object): Promise<AgentTest> => {
    const { id } = await system.post<AgentTest>(`/api/agents/${name}/test`, body);
    return eventually(async () => {
      const { test } = await named(name);
      if (test?.id !== id || test.answeredAt === null) throw new Error(`${name} has not answered yet`);
      return test;
    }, 90_000);
  };

  it('finds each of them behind the boundary, in the version that it was made for', async () => {
    await eventually(async () => {
      const found = await agents();
      for (const { name, program, machines } of found)
        if (program !== null)
          expect([name, machines]).toMatchObject([name, [{ version: program.tried, older: false, problem: null }]]);
    }, 90_000);
  });

  it.each(AGENT_CLIS.map((cli) => [cli.agent, cli] as const))('%s answers', async (_, cli) => {
    if (cli.secret === 'OPENAI_API_KEY')
      await system.capstan.call('PUT', `/api/secrets/${cli.secret}`, { value: 'sk-scripted-openai_api_key' });
    const test = await tested(cli.agent, { repositoryId: system.repositoryId(`acme/${cli.agent}`) });
    expect(test).toMatchObject({ state: 'passed', failure: null, isolation: 'isolated' });
    expect(test.words).not.toBe('');
  });

  it('tells of a log-in that stands in where no secret is set, and never of its value', async () => {
    await system.capstan.call('DELETE', '/api/secrets/OPENAI_API_KEY');
    const codex = await named('codex');
    expect(codex).toMatchObject({
      credentialFrom: 'log_in',
      fixes: [],
      machines: [{ logIn: { state: 'usable', place: '~/.codex/auth.json', secrets: ['OPENAI_API_KEY'] } }],
    });
    expect(JSON.stringify(await agents())).not.toContain('sk-of-the-log-in');
  });
});
