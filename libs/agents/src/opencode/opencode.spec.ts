import { DEFAULT_LIMITS } from '@capstan/domain';
import type { AgentInvocation, AgentSettings } from '../agent.port.js';
import { agentEnvironment } from '../environment.js';
import { exit, readLines, recordedBeside } from '../recorded.fixture.js';
import { opencodeAgent as opencode } from './opencode.adapter.js';

const settings: AgentSettings = { agent: 'opencode', model: 'anthropic/claude-sonnet-4-5' };
const invocation: AgentInvocation = {
  settings,
  prompt: 'Write hello.txt',
  limits: DEFAULT_LIMITS,
  worktree: '/pod/tree',
  home: '/pod/home',
  secrets: { ANTHROPIC_API_KEY: 'canary-a', OPENAI_API_KEY: 'canary-o' },
};

const recorded = recordedBeside(import.meta.url);
const read = (lines: readonly string[], stream: 'stdout' | 'stderr' = 'stdout', from = opencode.initial(settings)) =>
  readLines(opencode, lines, { stream, from });
const event = (type: string, more: object) =>
  JSON.stringify({ type, timestamp: Date.UTC(2026, 0, 1), sessionID: 'ses_1', ...more });
const failure = (name: string, data: object = {}) => event('error', { error: { name, data } });

describe('settings', () => {
  it.each<[string, Partial<AgentSettings>]>([
    ['model', { model: 'claude-sonnet-4-5' }],
    ['model', { model: 'anthropic/' }],
    ['model', { model: 'openrouter/some/model' }],
    ['model', { model: undefined as never, baseUrl: 'https://models.example/v1' }],
    ['baseUrl', { baseUrl: 'ftp://models.example' }],
    ['env.GEMINI_API_KEY', { env: { GEMINI_API_KEY: 'x' } }],
  ])('refuses a faulty %s', (field, change) => {
    expect(() => opencode.validate({ ...settings, ...change })).toThrow(
      expect.objectContaining({ name: 'UserError', code: 'agent_settings_invalid', field }),
    );
  });

  it('leaves the model to OpenCode, and takes any provider’s at an endpoint of one’s own', () => {
    expect(() => opencode.validate({ agent: 'opencode' })).not.toThrow();
    expect(() =>
      opencode.validate({ agent: 'opencode', model: 'any/org/model', baseUrl: 'http://localhost:1/v1' }),
    ).not.toThrow();
  });
});

describe('the command', () => {
  const configOf = (env: Readonly<Record<string, string>>) => JSON.parse(env['OPENCODE_CONFIG_CONTENT']!) as unknown;

  it('gives the prompt on stdin, and keys by reference', () => {
    const command = opencode.command(invocation);
    const config = command.env['OPENCODE_CONFIG_CONTENT']!;
    expect(command).toEqual({
      argv: ['opencode', 'run', '--format', 'json', '--thinking', '--model', 'anthropic/claude-sonnet-4-5'],
      env: {
        ...agentEnvironment(invocation),
        ANTHROPIC_API_KEY: 'canary-a',
        OPENAI_API_KEY: 'canary-o',
        OPENCODE_CONFIG_CONTENT: config,
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
      stdin: 'Write hello.txt',
    });
    expect(configOf(command.env)).toEqual({
      model: 'anthropic/claude-sonnet-4-5',
      enabled_providers: ['anthropic', 'openai'],
      provider: {
        anthropic: { options: { apiKey: '{env:ANTHROPIC_API_KEY}' } },
        openai: { options: { apiKey: '{env:OPENAI_API_KEY}' } },
      },
      permission: 'allow',
      share: 'disabled',
      autoupdate: false,
    });
    expect(config).not.toContain('canary');
    expect(command.argv.join(' ')).not.toContain('canary');
  });

  it('asks at the model door with the part of each address that OpenCode leaves out of its requests', () => {
    const secrets = { ANTHROPIC_API_KEY: 'token', OPENAI_API_KEY: 'token', GEMINI_API_KEY: 'token' };
    const { env } = opencode.command({
      ...{ ...invocation, settings: { agent: 'opencode' }, secrets },
      modelDoor: 'http://127.0.0.1:4403',
    });
    expect(configOf(env)).toMatchObject({
      provider: {
        anthropic: { options: { baseURL: 'http://127.0.0.1:4403/model/anthropic/v1' } },
        openai: { options: { baseURL: 'http://127.0.0.1:4403/model/openai' } },
        google: { options: { baseURL: 'http://127.0.0.1:4403/model/gemini/v1beta' } },
      },
    });
  });

  it('names the one key that an endpoint of one’s own takes', () => {
    const settings = { agent: 'opencode', model: 'a/b', baseUrl: 'http://127.0.0.1:4300/v1' };
    const build = () => opencode.command({ ...invocation, settings, secrets: { GEMINI_API_KEY: 'canary' } });
    expect(build).toThrow(expect.objectContaining({ code: 'credential_missing', field: 'OPENAI_API_KEY' }));
  });

  it('goes on from a session, at an endpoint of one’s own, with the one key for it', () => {
    const { argv, env } = opencode.command({
      ...invocation,
      settings: { agent: 'opencode', model: 'mock/org/mock-model', baseUrl: 'http://127.0.0.1:4300/v1' },
      resumeSession: 'ses_1',
    });
    expect(argv).toEqual([
      'opencode',
      'run',
      '--format',
      'json',
      '--thinking',
      '--model',
      'endpoint/org/mock-model',
      '--session',
      'ses_1',
    ]);
    expect(configOf(env)).toMatchObject({
      model: 'endpoint/org/mock-model',
      small_model: 'endpoint/org/mock-model',
      enabled_providers: ['endpoint'],
      provider: {
        endpoint: {
          npm: '@ai-sdk/openai-compatible',
          options: { baseURL: 'http://127.0.0.1:4300/v1', apiKey: '{env:OPENAI_API_KEY}' },
          models: { 'org/mock-model': {} },
        },
      },
    });
    expect(env['OPENAI_API_KEY']).toBe('canary-o');
    expect(env).not.toHaveProperty('ANTHROPIC_API_KEY');
  });

  it('never runs without the key of its model: OpenCode would go to a free provider', () => {
    expect(() =>
      opencode.command({ ...invocation, settings: { ...settings, model: 'google/gemini-2.5-pro' } }),
    ).toThrow(expect.objectContaining({ code: 'credential_missing', field: 'GEMINI_API_KEY' }));
    const { env } = opencode.command({ ...invocation, secrets: { ANTHROPIC_API_KEY: 'canary-a' } });
    expect(configOf(env)).toMatchObject({ enabled_providers: ['anthropic'] });
  });
});

describe('recorded runs', () => {
  const step = ['usage'];
  it.each<[string, number, string | undefined, string | undefined, number | undefined, readonly string[]]>([
    [
      'success',
      0,
      undefined,
      'ses_e03e026fefferSJDPNOBdhNeet',
      3,
      ['text', 'tool_use', 'tool_result', ...step, 'text', 'tool_use', 'tool_result', ...step, 'text', ...step],
    ],
    [
      'tool-error',
      0,
      undefined,
      'ses_e03e01c1cffeS2yDXmXtxmz08R',
      3,
      ['text', 'tool_use', 'tool_result', ...step, 'tool_use', 'tool_result', ...step, 'text', ...step],
    ],
    ['auth-401', 1, 'agent_credential_refused', 'ses_e03e01301ffevkFO3dzg75Sp5C', undefined, ['error']],
    // OpenCode had retried silently: nothing of the limit is in the stream.
    ['429', 0, undefined, 'ses_e03e00ac0ffe9gBLo5kMwBFcHs', 1, ['text', ...step]],
    ['resume', 0, undefined, 'ses_e03e026fefferSJDPNOBdhNeet', 1, ['text', ...step]],
    ['sigint', 130, 'agent_exited', 'ses_e03ddc128ffesXDMJ0x3lH25oh', 1, ['text']],
    ['sigterm', 143, 'agent_exited', 'ses_e03de265cffec1oZ80AmbzPg6o', 1, ['text']],
  ])('%s', (name, code, symptom, session, turns, kinds) => {
    const seen = read(recorded(name));
    expect(seen.kinds).toEqual(kinds);
    expect(seen.state.session).toBe(session);
    expect(seen.state.turns).toBe(turns);
    expect(opencode.judge(seen.state, exit(code)).outcome?.symptom).toBe(symptom);
    expect(opencode.judge(seen.state, exit(code)).verdict).toBe(symptom === undefined ? 'ok' : 'outcome');
  });

  it('sums up steps, which count for themselves', () => {
    const { state, lines } = read(recorded('success'));
    const total = {
      model: 'anthropic/claude-sonnet-4-5',
      inputTokens: 303,
      outputTokens: 126,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      costUsd: '0.002799',
    };
    expect(state.usage).toEqual(total);
    expect(lines.at(-1)).toEqual({ kind: 'usage', text: '', data: { ...total, priceKnown: true } });
  });

  it('has the usage of a resumed run alone', () => {
    expect(read(recorded('resume')).state.usage).toMatchObject({ inputTokens: 100, outputTokens: 42 });
  });

  it('sees a failing command in its exit code, though its status is “completed”', () => {
    const results = read(recorded('tool-error')).lines.filter(({ kind }) => kind === 'tool_result');
    expect(results).toEqual([
      { kind: 'tool_result', text: 'boom\n', data: { id: 'call_39xx1o62z100mwpuddj8', isError: true, exit: 3 } },
      {
        kind: 'tool_result',
        text: 'File not found: /workspace/opencode-tool-error/nope',
        data: { id: 'call_ml14b3qfyvj0mwpuddnq', isError: true },
      },
    ]);
  });

  it('makes call and result of the one event that a finished tool has', () => {
    expect(read(recorded('success')).lines.slice(1, 3)).toEqual([
      {
        kind: 'tool_use',
        text: 'write',
        data: {
          tool: 'write',
          id: 'call_lddqfq267t00mwpudbio',
          input: { filePath: '/workspace/opencode-success/hello.txt', content: 'hello\n' },
        },
      },
      {
        kind: 'tool_result',
        text: 'Wrote file successfully.',
        data: { id: 'call_lddqfq267t00mwpudbio', isError: false },
      },
    ]);
  });

  it('is lost when something outside killed it', () => {
    const { state } = read(recorded('sigterm'));
    expect(opencode.judge(state, exit(null)).outcome).toMatchObject({ kind: 'lost', symptom: 'agent_killed' });
  });
});

describe('usage', () => {
  const finished = (tokens: object, cost: number) => event('step_finish', { part: { tokens, cost } });

  it('takes thinking for output, and a cost of nothing for a price that OpenCode does not know', () => {
    const tokens = { input: 10, output: 5, reasoning: 7, cache: { read: 3, write: 2 } };
    const { state, lines } = read([finished(tokens, 0.5), finished(tokens, 0)]);
    expect(state.usage).toEqual({
      model: 'anthropic/claude-sonnet-4-5',
      inputTokens: 20,
      outputTokens: 24,
      cacheReadTokens: 6,
      cacheWriteTokens: 4,
    });
    expect(lines.map(({ data }) => data?.['priceKnown'])).toEqual([true, false]);
  });

  it('still knows the price after a step that used nothing', () => {
    const none = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
    expect(read([finished({ ...none, input: 1 }, 0.25), finished(none, 0)]).state.usage?.costUsd).toBe('0.25');
  });
});

describe('odd lines', () => {
  it.each([
    ['no JSON', 'Performing one time database migration…', 'text'],
    ['torn JSON', '{"type":"text","sess', 'text'],
    ['an unknown event', '{"type":"done","sessionID":"ses_1","reason":"idle"}', 'unknown'],
    ['a known event of a wrong shape', '{"type":"text","sessionID":"ses_1","part":{}}', 'unknown'],
  ])('keeps %s', (_, raw, kind) => {
    expect(read([raw])).toMatchObject({ lines: [{ kind, text: raw }], state: opencode.initial(settings) });
  });

  it('shows thinking', () => {
    expect(read([event('reasoning', { part: { text: 'Hm.' } })]).lines).toEqual([{ kind: 'thinking', text: 'Hm.' }]);
  });

  it('keeps the last words of stderr for the detail', () => {
    const { state, kinds } = read(['Error: Session not found', ' '], 'stderr');
    expect(kinds).toEqual(['stderr', 'stderr']);
    expect(opencode.judge(state, exit(1)).outcome).toEqual({
      kind: 'failed',
      detail: 'The agent exited with code 1: Error: Session not found',
      symptom: 'agent_exited',
    });
  });

  it('forgets a session that is gone, which leaves words on stderr and nothing else', () => {
    const resumed = opencode.initial(settings, {});
    expect(resumed.session).toBeUndefined();
    const { state } = read(['Error: Session not found'], 'stderr', resumed);
    expect(state.session).toBe('');
    expect(opencode.judge(state, exit(1)).outcome).toEqual({
      kind: 'failed',
      detail: "The agent's session is gone: Error: Session not found",
      symptom: 'agent_session_lost',
    });
    const begun = read(recorded('resume'), 'stdout', state).state;
    expect(begun.session).toBe('ses_e03e026fefferSJDPNOBdhNeet');
    expect(opencode.judge(begun, exit(1)).outcome?.symptom).toBe('agent_exited');
  });
});

describe('judge', () => {
  it.each<[string, string, string, string]>([
    ['no key', failure('ProviderAuthError', { message: 'no key' }), 'credential_refused', 'agent_credential_refused'],
    ['403', failure('APIError', { statusCode: 403 }), 'credential_refused', 'agent_credential_refused'],
    ['402', failure('APIError', { statusCode: 402 }), 'credential_refused', 'agent_credential_refused'],
    ['404', failure('APIError', { statusCode: 404 }), 'failed', 'agent_model_unknown'],
    ['an unknown model', failure('ProviderModelNotFoundError'), 'failed', 'agent_model_unknown'],
    ['429', failure('APIError', { statusCode: 429 }), 'rate_limited', 'agent_rate_limited'],
    ['529', failure('APIError', { statusCode: 529 }), 'rate_limited', 'agent_rate_limited'],
    ['500', failure('APIError', { statusCode: 500 }), 'failed', 'agent_provider_unavailable'],
    ['no answer', failure('APIError', { isRetryable: true }), 'failed', 'agent_provider_unavailable'],
    ['400', failure('APIError', { statusCode: 400, message: '401 rate limit' }), 'failed', 'agent_failed'],
    ['a full context', failure('ContextOverflowError'), 'limit_reached', 'agent_limit_reached'],
    ['anything else', failure('UnknownError', { message: 'invalid api key' }), 'failed', 'agent_failed'],
    ['an error without data', event('error', { error: { name: 'MessageAbortedError' } }), 'failed', 'agent_failed'],
  ])('%s', (_, line, kind, symptom) => {
    const { state } = read([line]);
    for (const code of [0, 1]) expect(opencode.judge(state, exit(code)).outcome).toMatchObject({ kind, symptom });
  });

  it('passes on when a limit ends', () => {
    const limited = (header: string) =>
      read([failure('APIError', { statusCode: 429, message: 'slow', responseHeaders: { 'retry-after': header } })]);
    expect(limited('90').lines).toMatchObject([
      { kind: 'rate_limited', text: 'slow', data: { resetAt: '2026-01-01T00:01:30.000Z' } },
    ]);
    expect(opencode.judge(limited('Thu, 01 Jan 2026 01:00:00 GMT').state, exit(1)).outcome).toMatchObject({
      resetAt: '2026-01-01T01:00:00.000Z',
    });
    expect(opencode.judge(limited('soon').state, exit(1)).outcome).not.toHaveProperty('resetAt');
  });

  it('forgets an error that the run got over', () => {
    const { state } = read([failure('ContextOverflowError'), event('step_start', { part: {} })]);
    expect(opencode.judge(state, exit(0))).toEqual({ verdict: 'ok' });
  });

  it('lets what Capstan ended it for stand before all else', () => {
    const { state } = read(recorded('auth-401'));
    expect(opencode.judge(state, exit(null, { ended: 'stopped' })).outcome?.kind).toBe('stopped');
    expect(opencode.judge(state, exit(143, { ended: 'turn_limit' })).outcome?.symptom).toBe('turn_limit');
  });
});

it('can not be reached while it works: a message becomes the next run’s prompt', () => {
  expect(opencode.steering(settings)).toEqual({ message: null, interrupt: null });
});
