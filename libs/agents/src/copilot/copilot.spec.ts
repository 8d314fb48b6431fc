import { DEFAULT_LIMITS } from '@capstan/domain';
import type { AgentInvocation, AgentSettings } from '../agent.port.js';
import { agentEnvironment } from '../environment.js';
import { exit, readLines, recordedBeside } from '../recorded.fixture.js';
import { copilotAgent as copilot } from './copilot.adapter.js';

const settings: AgentSettings = { agent: 'copilot' };
const endpoint: AgentSettings = { agent: 'copilot', model: 'mock-model', baseUrl: 'http://127.0.0.1:4400/v1' };
const invocation: AgentInvocation = {
  settings,
  prompt: 'Write hello.txt',
  limits: DEFAULT_LIMITS,
  worktree: '/pod/tree',
  home: '/pod/home',
  secrets: { COPILOT_GITHUB_TOKEN: 'canary-g', OPENAI_API_KEY: 'canary-o' },
};

const recorded = recordedBeside(import.meta.url);
const read = (lines: readonly string[], stream: 'stdout' | 'stderr' = 'stdout', from = copilot.initial(settings)) =>
  readLines(copilot, lines, { stream, from });
const event = (type: string, data: object) => JSON.stringify({ type, data, id: 'e1', parentId: 'e0' });
const failed = (data: object) => event('session.error', { errorType: 'query', message: 'no', ...data });
const ended = (exitCode: number) => JSON.stringify({ type: 'result', sessionId: 's1', exitCode, usage: {} });

describe('the command', () => {
  const argv = [
    'copilot',
    '--output-format',
    'json',
    '--allow-all-tools',
    '--allow-all-paths',
    '--allow-all-urls',
    '--no-ask-user',
    '--disable-builtin-mcps',
  ];

  it('gives the prompt on stdin, and GitHub’s token alone', () => {
    expect(copilot.command(invocation)).toEqual({
      argv,
      env: { ...agentEnvironment(invocation), COPILOT_GITHUB_TOKEN: 'canary-g', COPILOT_AUTO_UPDATE: 'false' },
      stdin: 'Write hello.txt',
    });
  });

  it('goes on from a session, at an endpoint of one’s own: offline, and without GitHub’s token', () => {
    const other = { ...invocation, settings: endpoint };
    expect(copilot.command({ ...other, resumeSession: 'ef55d1e9-0d9a-4825-8878-d6c66593a13d' })).toEqual({
      argv: [...argv, '--resume=ef55d1e9-0d9a-4825-8878-d6c66593a13d'],
      env: {
        ...agentEnvironment(other),
        COPILOT_OFFLINE: 'true',
        COPILOT_PROVIDER_TYPE: 'openai',
        COPILOT_PROVIDER_BASE_URL: 'http://127.0.0.1:4400/v1',
        COPILOT_PROVIDER_API_KEY: 'canary-o',
        COPILOT_MODEL: 'mock-model',
        COPILOT_AUTO_UPDATE: 'false',
      },
      stdin: 'Write hello.txt',
    });
  });

  it.each([
    ['COPILOT_GITHUB_TOKEN', settings, { OPENAI_API_KEY: 'o' }],
    ['OPENAI_API_KEY', endpoint, { COPILOT_GITHUB_TOKEN: 'g' }],
  ])('never runs without %s where that is the one', (field, chosen, secrets) => {
    expect(() => copilot.command({ ...invocation, settings: chosen, secrets })).toThrow(
      expect.objectContaining({ code: 'credential_missing', field }),
    );
  });

  it.each([
    ['model', { ...endpoint, model: undefined as never }],
    ['model', { ...settings, model: '--yolo' }],
    ['baseUrl', { ...endpoint, baseUrl: 'nowhere' }],
    ['env.COPILOT_GITHUB_TOKEN', { ...settings, env: { COPILOT_GITHUB_TOKEN: 'x' } }],
  ])('refuses a faulty %s', (field, faulty) => {
    expect(() => copilot.validate(faulty)).toThrow(expect.objectContaining({ code: 'agent_settings_invalid', field }));
  });
});

describe('recorded runs', () => {
  const end = ['usage', 'result'];
  const tool = ['tool_use', 'tool_result'];
  it.each<[string, number | null, string | undefined, string, number, readonly string[]]>([
    [
      'success',
      0,
      undefined,
      'ef55d1e9-0d9a-4825-8878-d6c66593a13d',
      3,
      ['system', 'text', 'tool_use', 'system', 'tool_result', 'text', ...tool, 'text', ...end],
    ],
    ['resume', 0, undefined, 'ef55d1e9-0d9a-4825-8878-d6c66593a13d', 1, ['system', 'text', ...end]],
    // Three calls were refused, two of them retried.
    [
      'auth-401',
      1,
      'agent_credential_refused',
      '26197e7b-6b6d-4ff7-a340-154c43b88578',
      1,
      ['system', 'error', 'system', 'error', 'system', 'error', 'error', ...end],
    ],
    // A limit of ten minutes: it doesn't wait for that.
    [
      'ratelimit-429',
      1,
      'agent_rate_limited',
      '3fe1c5ee-b89a-4eef-9859-99b982233377',
      1,
      ['system', 'rate_limited', 'error', ...end],
    ],
    // The tool was killed and the endpoint was away for a moment; the run went on.
    [
      'sigint',
      0,
      undefined,
      'a6076f2c-b0ff-412f-b14a-49d51a42827f',
      2,
      ['system', 'text', ...tool, 'error', 'system', 'text', ...end],
    ],
    [
      'sigterm',
      0,
      undefined,
      'f61c06f6-403b-4531-89dd-009d5f4142ee',
      2,
      ['system', 'text', ...tool, 'error', 'system', 'text', ...end],
    ],
  ])('%s', (name, code, symptom, session, turns, kinds) => {
    const seen = read(recorded(name));
    expect(seen.kinds).toEqual(kinds);
    expect(seen.state.session).toBe(session);
    expect(seen.state.turns).toBe(turns);
    // An endpoint’s calls come without their tokens.
    expect(seen.state.usage).toBeUndefined();
    expect(copilot.judge(seen.state, exit(code)).outcome?.symptom).toBe(symptom);
    expect(copilot.judge(seen.state, exit(code)).verdict).toBe(symptom === undefined ? 'ok' : 'outcome');
  });

  it('reads the parts of a run', () => {
    const { lines } = read(recorded('success'));
    expect(lines.slice(0, 3)).toMatchObject([
      { kind: 'system', text: 'The prompt arrived' },
      { kind: 'text', text: 'Creating' },
      {
        kind: 'tool_use',
        text: 'create',
        data: { tool: 'create', id: 'call_ntucfmcobpa0mwpuerrr', input: { file_text: 'hello\n' } },
      },
    ]);
    expect(lines.slice(-2)).toEqual([
      { kind: 'usage', text: '', data: { premiumRequests: 0, priceKnown: false } },
      { kind: 'result', text: 'Done', data: { ok: true, session: 'ef55d1e9-0d9a-4825-8878-d6c66593a13d' } },
    ]);
  });

  it('sees a failing command in its exit code, though it says success', () => {
    expect(read(recorded('sigint')).lines[3]).toEqual({
      kind: 'tool_result',
      text: '\n<shellId: 0 completed with exit code 1>',
      data: { id: 'call_914sam0roxa0mwpugjh9', isError: true, exit: 1 },
    });
  });

  it('leaves a refused call to be retried, and says why the run failed in the end', () => {
    const { state, lines } = read(recorded('auth-401'));
    expect(lines[1]).toMatchObject({ kind: 'error', data: { status: 401, attempt: 0, failure: 'api' } });
    expect(state.hopeless).toBeUndefined();
    expect(copilot.judge(state, exit(1)).outcome?.detail).toMatch(
      /^The agent's credential was refused: Authentication failed with provider at http:\/\/127\.0\.0\.1:4400\/v1 \(HTTP 401\)/,
    );
  });

  it('is lost when something outside killed it, and has no session: only the last line names it', () => {
    const { state } = read(recorded('success').slice(0, -1));
    expect(state.session).toBeUndefined();
    expect(copilot.judge(state, exit(null)).outcome).toMatchObject({ kind: 'lost', symptom: 'agent_killed' });
  });

  it('has the session that it goes on from with its first event', () => {
    const former = read(recorded('success')).state.facts;
    const { state } = read(recorded('resume').slice(0, -1), 'stdout', copilot.initial(settings, former));
    expect(state.session).toBe('ef55d1e9-0d9a-4825-8878-d6c66593a13d');
    expect(copilot.judge(state, exit(null)).outcome?.symptom).toBe('agent_killed');
  });

  it('forgets a session that is gone, which leaves words on stderr and nothing else', () => {
    const former = read(recorded('success')).state.facts;
    const { state } = read(['No session with that id'], 'stderr', copilot.initial(settings, former));
    expect(state.session).toBe('');
    expect(copilot.judge(state, exit(1)).outcome).toMatchObject({ kind: 'failed', symptom: 'agent_session_lost' });
    expect(read(recorded('resume').slice(0, 1), 'stdout', state).state.session).toBe(
      'ef55d1e9-0d9a-4825-8878-d6c66593a13d',
    );
  });

  it('believes the exit more than a last line that says success', () => {
    const { state } = read(recorded('success'));
    expect(copilot.judge(state, exit(null)).outcome?.symptom).toBe('agent_killed');
    expect(copilot.judge(state, exit(143)).outcome?.symptom).toBe('agent_exited');
  });
});

describe('usage', () => {
  it('sums up calls of the model, which count for themselves and what was cached twice', () => {
    const call = event('assistant.usage', {
      model: 'gpt-5',
      inputTokens: 100,
      outputTokens: 7,
      cacheReadTokens: 60,
      cacheWriteTokens: 10,
      cost: 1,
    });
    const { state, lines } = read([call, call, ended(0)]);
    const total = {
      model: 'gpt-5',
      inputTokens: 60,
      outputTokens: 14,
      cacheReadTokens: 120,
      cacheWriteTokens: 20,
    };
    // What it calls cost are requests of the plan, not dollars.
    expect(state.usage).toEqual(total);
    expect(lines[1]).toEqual({ kind: 'usage', text: '', data: { ...total, priceKnown: false } });
  });
});

describe('odd lines', () => {
  it.each([
    ['no JSON', 'Error: No authentication information found.', 'text'],
    ['torn JSON', '{"type":"assistant.mes', 'text'],
    ['an unknown event', event('subagent.started', { agentName: 'x' }), 'unknown'],
    ['a known event of a wrong shape', event('assistant.message', { content: 3 }), 'unknown'],
  ])('keeps %s', (_, raw, kind) => {
    expect(read([raw])).toMatchObject({ lines: [{ kind, text: raw }], state: copilot.initial(settings) });
  });

  it('shows thinking, warnings and a limit that it waits for', () => {
    expect(
      read([
        event('assistant.reasoning', { content: 'Hm.' }),
        event('session.warning', { message: 'careful' }),
        event('model.call_failure', { statusCode: 429, failureKind: 'api', retryAttempt: 2 }),
      ]).lines,
    ).toEqual([
      { kind: 'thinking', text: 'Hm.' },
      { kind: 'system', text: 'careful' },
      {
        kind: 'rate_limited',
        text: 'The provider failed with 429',
        data: { status: 429, attempt: 2, failure: 'api' },
      },
    ]);
  });

  it('says nothing of a message that only calls tools', () => {
    expect(read([event('assistant.message', { content: '', toolRequests: [{}] })]).lines).toEqual([]);
  });
});

describe('judge', () => {
  const unanswered = event('model.call_failure', { failureKind: 'transport' });

  it.each<[string, readonly string[], string, string]>([
    ['authorization', [failed({ errorType: 'authorization' })], 'credential_refused', 'agent_credential_refused'],
    [
      'no credit',
      [failed({ errorType: 'quota', errorCode: 'quota_exceeded', statusCode: 402 })],
      'credential_refused',
      'agent_credential_refused',
    ],
    [
      'a session’s quota',
      [failed({ errorType: 'quota', errorCode: 'session_quota_exceeded' })],
      'rate_limited',
      'agent_rate_limited',
    ],
    ['a rate limit', [failed({ errorType: 'rate_limit' })], 'rate_limited', 'agent_rate_limited'],
    ['a full context', [failed({ errorType: 'context_limit' })], 'limit_reached', 'agent_limit_reached'],
    ['403', [failed({ statusCode: 403 })], 'credential_refused', 'agent_credential_refused'],
    ['404', [failed({ statusCode: 404 })], 'failed', 'agent_model_unknown'],
    ['429', [failed({ statusCode: 429 })], 'rate_limited', 'agent_rate_limited'],
    ['500', [failed({ statusCode: 500 })], 'failed', 'agent_provider_unavailable'],
    ['no answer', [unanswered, failed({})], 'failed', 'agent_provider_unavailable'],
    [
      'no answer for a while only',
      [unanswered, event('assistant.message', { content: 'x' }), failed({})],
      'failed',
      'agent_failed',
    ],
    ['anything else', [failed({ message: 'HTTP 401 rate limit' })], 'failed', 'agent_failed'],
  ])('%s', (_, lines, kind, symptom) => {
    for (const all of [lines, [...lines, ended(1)]])
      expect(copilot.judge(read(all).state, exit(1)).outcome).toMatchObject({ kind, symptom });
  });

  it('forgets an error that the run got over', () => {
    const over = read([failed({ statusCode: 500 }), event('assistant.turn_start', { turnId: '1' })]);
    expect(copilot.judge(over.state, exit(0))).toEqual({ verdict: 'ok' });
    expect(copilot.judge(read([failed({ statusCode: 500 }), ended(0)]).state, exit(0))).toEqual({ verdict: 'ok' });
  });

  it('believes its last line where the process hides a failure', () => {
    expect(copilot.judge(read([ended(1)]).state, exit(0)).outcome?.symptom).toBe('agent_failed');
  });

  it('lets what Capstan ended it for stand before all else', () => {
    const { state } = read(recorded('auth-401'));
    expect(copilot.judge(state, exit(1, { ended: 'cost_limit' })).outcome?.symptom).toBe('cost_limit');
  });

  it('quotes the last words of stderr', () => {
    const { state } = read(['No session with that id', ''], 'stderr');
    expect(copilot.judge(state, exit(1)).outcome?.detail).toBe('The agent exited with code 1: No session with that id');
  });
});

it('can not be reached while it works: a message becomes the next run’s prompt', () => {
  expect(copilot.steering(settings)).toEqual({ message: null, interrupt: null });
});
