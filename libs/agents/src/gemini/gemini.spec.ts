import { DEFAULT_LIMITS } from '@capstan/domain';
import type { AgentInvocation, AgentSettings } from '../agent.port.js';
import { agentEnvironment } from '../environment.js';
import { exit, readLines, recordedBeside } from '../recorded.fixture.js';
import { geminiAgent as gemini } from './gemini.adapter.js';

const settings: AgentSettings = { agent: 'gemini', model: 'gemini-2.5-pro' };
const invocation: AgentInvocation = {
  settings,
  prompt: 'Write hello.txt',
  limits: DEFAULT_LIMITS,
  worktree: '/pod/tree',
  home: '/pod/home',
  secrets: { GEMINI_API_KEY: 'key-canary' },
};

const recorded = recordedBeside(import.meta.url);
const read = (lines: readonly string[], stream: 'stdout' | 'stderr' = 'stdout', from = gemini.initial(settings)) =>
  readLines(gemini, lines, { stream, from });
const result = (more: object) => JSON.stringify({ type: 'result', timestamp: '2026-01-01T00:00:00.000Z', ...more });
const failed = (message: string, type = 'unknown') => result({ status: 'error', error: { type, message } });
const init = JSON.stringify({ type: 'init', session_id: 's1', model: 'gemini-2.5-pro' });

describe('the command', () => {
  const files = {
    '/pod/home/.gemini/settings.json': expect.stringContaining('"selectedType": "gemini-api-key"') as string,
  };
  const env = { GEMINI_API_KEY: 'key-canary', GEMINI_CLI_TRUST_WORKSPACE: 'true', GEMINI_TELEMETRY_ENABLED: 'false' };

  it('gives the prompt on stdin, and settings in HOME', () => {
    const command = gemini.command(invocation);
    expect(command).toEqual({
      argv: ['gemini', '--output-format', 'stream-json', '--yolo', '--skip-trust', '--model', 'gemini-2.5-pro'],
      env: { ...agentEnvironment(invocation), ...env },
      stdin: 'Write hello.txt',
      files,
    });
    expect(JSON.parse(command.files!['/pod/home/.gemini/settings.json']!)).toEqual({
      security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
      general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
    });
    expect(JSON.stringify([command.argv, command.files])).not.toContain('canary');
  });

  it('goes on from a session, at an endpoint of one’s own, with a model of the CLI’s choice', () => {
    const other = { ...invocation, settings: { agent: 'gemini', baseUrl: 'http://127.0.0.1:4400' } };
    expect(gemini.command({ ...other, resumeSession: 'b6ebf455-da93-4240-b9c0-88f82cf5102d' })).toEqual({
      argv: [
        'gemini',
        '--output-format',
        'stream-json',
        '--yolo',
        '--skip-trust',
        '--resume',
        'b6ebf455-da93-4240-b9c0-88f82cf5102d',
      ],
      env: { ...agentEnvironment(other), ...env, GOOGLE_GEMINI_BASE_URL: 'http://127.0.0.1:4400' },
      stdin: 'Write hello.txt',
      files,
    });
  });

  it('refuses settings that can not work', () => {
    for (const change of [{ model: '--yolo' }, { baseUrl: 'nowhere' }, { env: { GEMINI_API_KEY: 'x' } }])
      expect(() => gemini.validate({ ...settings, ...change })).toThrow(
        expect.objectContaining({ code: 'agent_settings_invalid' }),
      );
  });
});

describe('recorded runs', () => {
  const start = ['system', 'system'];
  const end = ['usage', 'result'];
  const tool = ['tool_use', 'tool_result'];
  it.each<[string, number | null, string | undefined, string, number | undefined, readonly string[]]>([
    [
      'success',
      0,
      undefined,
      'b6ebf455-da93-4240-b9c0-88f82cf5102d',
      3,
      [...start, 'text', ...tool, 'text', ...tool, 'text', ...end],
    ],
    ['resume', 0, undefined, 'b6ebf455-da93-4240-b9c0-88f82cf5102d', 1, [...start, 'text', ...end]],
    [
      'tool-error',
      0,
      undefined,
      'a0ec0b82-5e87-41d6-b389-771621f5b8f4',
      2,
      [...start, 'text', ...tool, 'text', ...end],
    ],
    // Retried silently: the limit is on stderr alone, in words.
    ['429', 0, undefined, 'bf6b767f-f721-48b7-bb49-0c142a918132', 1, [...start, 'text', ...end]],
    [
      'auth-401',
      145,
      'agent_credential_refused',
      '07e8ab44-7644-4fee-80c6-8f54244d5bbb',
      undefined,
      [...start, ...end],
    ],
    // A wrong key by its text alone, which decides nothing: any faulty request is a 400.
    ['auth-400', 144, 'agent_failed', '43eb62d5-d0ec-4367-9e9d-6311965fc565', undefined, [...start, ...end]],
    // The launcher was killed, and its child went on to a “success”.
    [
      'sigterm',
      null,
      'agent_killed',
      'ddbef6b7-170d-42ea-8b6b-49ffb8179354',
      2,
      [...start, 'text', ...tool, 'text', ...end],
    ],
    [
      'sigint',
      null,
      'agent_killed',
      '922f9483-b203-46e9-9e90-614a695e3ca1',
      2,
      [...start, 'text', ...tool, 'text', ...end],
    ],
  ])('%s', (name, code, symptom, session, turns, kinds) => {
    const seen = read(recorded(name));
    expect(seen.kinds).toEqual(kinds);
    expect(seen.state.session).toBe(session);
    expect(seen.state.turns).toBe(turns);
    expect(gemini.judge(seen.state, exit(code)).outcome?.symptom).toBe(symptom);
    expect(gemini.judge(seen.state, exit(code)).verdict).toBe(symptom === undefined ? 'ok' : 'outcome');
  });

  it('quotes the API’s own words', () => {
    expect(gemini.judge(read(recorded('auth-400')).state, exit(144)).outcome?.detail).toBe(
      'The agent reported a failure: API key not valid. Please pass a valid API key.',
    );
  });

  it('says a failed command as the CLI does, a success: its exit code is nowhere', () => {
    expect(read(recorded('tool-error')).lines[4]).toEqual({
      kind: 'tool_result',
      text: 'boom',
      data: { id: 'run_shell_command__run_shell_command_1795231375331_0', isError: false },
    });
  });

  it('reads the parts of a run', () => {
    const { lines } = read(recorded('success'));
    expect(lines.slice(0, 4)).toEqual([
      {
        kind: 'system',
        text: 'Session started with gemini-2.5-pro',
        data: { session: 'b6ebf455-da93-4240-b9c0-88f82cf5102d', model: 'gemini-2.5-pro' },
      },
      { kind: 'system', text: 'The prompt arrived', data: { characters: 24 } },
      { kind: 'text', text: 'Creating', data: { delta: true } },
      {
        kind: 'tool_use',
        text: 'write_file',
        data: {
          tool: 'write_file',
          id: 'write_file__write_file_1795231353687_0',
          input: { file_path: '/workspace/gemini-success/hello.txt', content: 'hello\n' },
        },
      },
    ]);
    expect(lines.at(-1)).toEqual({ kind: 'result', text: 'Done', data: { ok: true } });
  });

  it('has the usage of a resumed run alone, of the model that was used, at no price where none is known', () => {
    const { state, lines } = read(recorded('resume'));
    const usage = { model: 'mock', inputTokens: 100, outputTokens: 42, cacheReadTokens: 0, cacheWriteTokens: 0 };
    expect(state.usage).toEqual(usage);
    expect(lines.at(-2)).toEqual({ kind: 'usage', text: '', data: { ...usage, priceKnown: false } });
  });
});

describe('usage', () => {
  const used = (input: number, cached: number, output: number, thought = 0) => ({
    total_tokens: input + output + thought,
    input_tokens: input,
    output_tokens: output,
    cached,
    input: input - cached,
  });
  const spent = (models: Readonly<Record<string, ReturnType<typeof used>>>, from = settings) => {
    const sum = Object.values(models).reduce((all, each) => ({
      total_tokens: all.total_tokens + each.total_tokens,
      input_tokens: all.input_tokens + each.input_tokens,
      output_tokens: all.output_tokens + each.output_tokens,
      cached: all.cached + each.cached,
      input: all.input + each.input,
    }));
    const line = result({ status: 'success', stats: { ...sum, models } });
    return read([init, line], 'stdout', gemini.initial(from)).state.usage;
  };

  it('prices each model, thinking as output and what came from the cache as such', () => {
    expect(
      spent({ 'gemini-2.5-pro': used(100_000, 40_000, 1_000, 4_000), 'gemini-2.5-flash': used(10_000, 0, 100) }),
    ).toEqual({
      model: 'gemini-2.5-pro',
      inputTokens: 70_000,
      outputTokens: 5_100,
      cacheReadTokens: 40_000,
      cacheWriteTokens: 0,
      // 60000 × 1.25 + 40000 × 0.125 + 5000 × 10, and 10000 × 0.3 + 100 × 2.5, by the million
      costUsd: '0.13325',
    });
  });

  it.each([
    ['a model whose price is not listed', { 'gemini-9': used(1, 0, 1) }, settings],
    ['prompts that may have been long ones', { 'gemini-2.5-pro': used(200_001, 0, 1) }, settings],
    [
      'an endpoint with prices of its own',
      { 'gemini-2.5-flash': used(1, 0, 1) },
      { ...settings, baseUrl: 'https://models.example' },
    ],
  ])('guesses no price for %s', (_, models, from) => {
    expect(spent(models, from)).not.toHaveProperty('costUsd');
  });

  it('minds no model that was only named', () => {
    expect(spent({ 'gemini-9': used(0, 0, 0), 'gemini-2.5-flash': used(1_000_000, 0, 0) })?.costUsd).toBe('0.3');
  });
});

describe('odd lines', () => {
  it.each([
    ['no JSON', 'Loaded cached credentials.', 'text'],
    ['torn JSON', '{"type":"message","ro', 'text'],
    ['an unknown event', '{"type":"thought","content":"Hm."}', 'unknown'],
    ['a known event of a wrong shape', '{"type":"message","role":"assistant"}', 'unknown'],
  ])('keeps %s', (_, raw, kind) => {
    expect(read([raw])).toMatchObject({ lines: [{ kind, text: raw }], state: gemini.initial(settings) });
  });

  it('shows errors that end nothing', () => {
    const line = JSON.stringify({ type: 'error', severity: 'warning', message: 'Loop detected, stopping execution' });
    const { lines, state } = read([line]);
    expect(lines).toEqual([
      { kind: 'error', text: 'Loop detected, stopping execution', data: { severity: 'warning' } },
    ]);
    expect(gemini.judge(state, exit(0))).toEqual({ verdict: 'ok' });
  });

  it('says a tool’s own failure', () => {
    const error = { type: 'file_not_found', message: 'File not found' };
    const line = JSON.stringify({ type: 'tool_result', tool_id: 't1', status: 'error', error });
    expect(read([line]).lines).toEqual([
      { kind: 'tool_result', text: 'File not found', data: { id: 't1', isError: true } },
    ]);
  });
});

describe('judge', () => {
  const api = (error: object) => `[API Error: ${JSON.stringify({ error })}]`;

  it.each<[string, readonly string[], number | null, string, string]>([
    ['403', [failed('no')], 147, 'credential_refused', 'agent_credential_refused'],
    ['404', [failed('no')], 148, 'failed', 'agent_model_unknown'],
    ['429', [failed('no')], 173, 'rate_limited', 'agent_rate_limited'],
    ['500', [failed('no')], 244, 'failed', 'agent_provider_unavailable'],
    ['503', [failed('no')], 247, 'failed', 'agent_provider_unavailable'],
    ['400', [failed('401 invalid api key')], 144, 'failed', 'agent_failed'],
    ['a refused connection', [failed('fetch failed')], 1, 'failed', 'agent_failed'],
    ['an empty answer, with exit 0', [result({ status: 'error' })], 0, 'failed', 'agent_failed'],
    ['a status in the API’s answer alone', [failed(api({ code: 503 }))], 1, 'failed', 'agent_provider_unavailable'],
    ['a quota of the day', [failed('gone', 'TerminalQuotaError')], 1, 'rate_limited', 'agent_rate_limited'],
    ['an unknown model', [failed('none', 'ModelNotFoundError')], 1, 'failed', 'agent_model_unknown'],
    ['no key at all', [], 41, 'credential_refused', 'agent_credential_refused'],
    ['a refused input', [init], 42, 'failed', 'agent_exited'],
    ['the CLI’s own turn limit', [init], 53, 'limit_reached', 'turn_limit'],
    ['an exit like a status without a result', [init], 145, 'failed', 'agent_exited'],
    ['a good result and another exit', [result({ status: 'success' })], 145, 'failed', 'agent_exited'],
  ])('%s', (_, lines, code, kind, symptom) => {
    expect(gemini.judge(read(lines).state, exit(code)).outcome).toMatchObject({ kind, symptom });
  });

  it.each([
    ['as it is', (error: object) => api(error)],
    ['wrapped once more', (error: object) => api({ code: 400, message: JSON.stringify({ error }) })],
  ])('knows a wrong key by the reason in the API’s answer, %s', (_, wrap) => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }];
    const { state } = read([failed(wrap({ code: 400, message: 'API key not valid.', details }))]);
    expect(gemini.judge(state, exit(144)).outcome).toMatchObject({
      symptom: 'agent_credential_refused',
      detail: "The agent's credential was refused: API key not valid.",
    });
  });

  it('passes on when a limit ends', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.5s' }];
    const { state, lines } = read([failed(api({ code: 429, message: 'Quota exceeded', details }))]);
    const resetAt = '2026-01-01T00:00:34.500Z';
    expect(lines[0]).toEqual({ kind: 'rate_limited', text: 'Quota exceeded', data: { resetAt } });
    expect(gemini.judge(state, exit(173)).outcome).toMatchObject({ kind: 'rate_limited', resetAt });
  });

  it('lets what Capstan ended it for stand before all else', () => {
    const { state } = read(recorded('auth-401'));
    expect(gemini.judge(state, exit(145, { ended: 'stopped' })).outcome?.kind).toBe('stopped');
  });

  it('quotes the last words of stderr', () => {
    const { state } = read(['something is amiss', ''], 'stderr');
    expect(gemini.judge(state, exit(1)).outcome?.detail).toBe('The agent exited with code 1: something is amiss');
  });

  it('forgets a session that is gone', () => {
    const { state } = read(['Error resuming session: none', ''], 'stderr', gemini.initial(settings, {}));
    expect(state.session).toBe('');
    expect(gemini.judge(state, exit(42)).outcome).toEqual({
      kind: 'failed',
      detail: "The agent's session is gone: Error resuming session: none",
      symptom: 'agent_session_lost',
    });
    const begun = read([init], 'stdout', state).state;
    expect(begun.session).toBe('s1');
    expect(gemini.judge(begun, exit(42)).outcome?.symptom).toBe('agent_exited');
  });
});

it('can not be reached while it works: a message becomes the next run’s prompt', () => {
  expect(gemini.steering(settings)).toEqual({ message: null, interrupt: null });
});
