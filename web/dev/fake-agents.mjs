import { idOf, instant } from './fake-world.mjs';

const LOG_IN = { state: 'usable', place: '~/.claude/.credentials.json', words: 'An account of Claude (max)' };

const machine = (path, version, more = {}) => ({
  ...{ host: 'ada-laptop', path, version, older: false, problem: null, logIn: null, lookedAt: instant(90) },
  ...more,
});
const agent = (name, title, more) => ({
  ...{ name, title, credentials: [], options: [], set: [], program: null, machines: [] },
  ...{ credentialFrom: 'none_needed', fixes: [], test: null, nextTestAt: null },
  ...more,
});
const program = (name, npm, tried) => ({ name, package: npm, tried });
const test = (name, state, more) => ({
  ...{
    id: idOf(`test ${name}`),
    repositoryId: null,
    state,
    askedAt: instant(130),
    answeredAt: instant(120),
    words: '',
  },
  ...{ durationMs: null, costUsd: null, isolation: 'isolated', failure: null },
  ...more,
});

/** Agents in every state. */
function agentsOf() {
  return [
    agent('claude-code', 'Claude Code', {
      credentials: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
      options: ['CLAUDE_AUTH_MODE'],
      program: program('claude', '@anthropic-ai/claude-code', '2.1.329'),
      credentialFrom: 'log_in',
      machines: [
        machine('/home/ada/.local/bin/claude', '2.1.329', {
          logIn: { ...LOG_IN, secrets: ['CLAUDE_CODE_OAUTH_TOKEN'] },
        }),
      ],
      test: test('claude-code', 'passed', { words: 'OK', durationMs: 3_200, costUsd: '0.0125' }),
    }),
    agent('codex', 'Codex', {
      credentials: ['OPENAI_API_KEY'],
      program: program('codex', '@openai/codex', '0.169.0'),
      credentialFrom: 'missing',
      machines: [
        machine('/usr/local/bin/codex', '0.140.2', {
          older: true,
          logIn: {
            state: 'unusable',
            place: '~/.codex/auth.json',
            words: 'An account of ChatGPT: it works in Codex itself alone, and would have to be in the pod',
            secrets: [],
          },
        }),
      ],
      fixes: [
        {
          words: 'Bring it up to date: Capstan was tried with 0.169.0',
          command: 'npm install -g @openai/codex@latest',
        },
        {
          words: 'Set OPENAI_API_KEY under Settings → Secrets, or log in with an API key.',
          command: 'codex login --with-api-key',
        },
      ],
      test: test('codex', 'failed', {
        failure: {
          code: 'credential_missing',
          title: 'Credential missing',
          detail: 'Codex needs a credential: none of OPENAI_API_KEY is set',
          remedy: 'Set OPENAI_API_KEY under Settings → Secrets.',
        },
        isolation: null,
      }),
    }),
    agent('gemini', 'Gemini CLI', {
      credentials: ['GEMINI_API_KEY'],
      set: ['GEMINI_API_KEY'],
      program: program('gemini', '@google/gemini-cli', '0.61.0'),
      credentialFrom: 'secret',
      machines: [machine(null, null)],
      fixes: [{ words: 'Install it', command: 'npm install -g @google/gemini-cli@latest' }],
    }),
    agent('command', 'Command', {}),
  ];
}

export function agentHandlers(world, announce, refusal) {
  world.agents ??= agentsOf();
  return {
    listAgents: () => ({ items: world.agents }),
    lookAtAgents: () => {
      for (const { machines } of world.agents) for (const each of machines) each.lookedAt = instant(0);
      return { done: true };
    },
    testAgent: ({ params }) => {
      const found = world.agents.find(({ name }) => name === params.name);
      if (!found?.program) throw refusal(422, 'agent_without_program', 'It is any program.');
      found.test = test(found.name, 'running', { askedAt: instant(0), answeredAt: null, isolation: null });
      found.nextTestAt = instant(-15);
      setTimeout(() => {
        const done = { state: 'passed', answeredAt: instant(0), words: 'OK', durationMs: 2_400, isolation: 'isolated' };
        Object.assign(found.test, done);
        announce({ kind: 'agent', id: found.name, version: null, taskId: null });
      }, 2_400);
      return [202, found.test];
    },
  };
}
