import { DEFAULT_LIMITS } from '@capstan/domain';
import type { AgentInvocation } from '../agent.port.js';
import { exit, readLines, recordedBeside } from '../recorded.fixture.js';
import { claudeCodeAgent as claude } from './claude-code.adapter.js';

const settings = { agent: 'claude-code' };
const invocation: AgentInvocation = {
  settings: { ...settings, model: 'claude-sonnet-4-5' },
  prompt: 'Write hello.txt',
  limits: { ...DEFAULT_LIMITS, maxTurns: 40, maxCostUsd: 7.5 },
  worktree: '/pod/tree',
  home: '/pod/home',
  secrets: { ANTHROPIC_API_KEY: 'key-canary' },
};

const recorded = recordedBeside(import.meta.url);
const read = (lines: readonly string[], from = claude.initial(settings)) =>
  readLines(claude, lines, { stream: 'stdout', from });

describe('the command', () => {
  it('is told by lines on stdin and heard by lines on stdout, with every limit that the CLI knows', () => {
    const command = claude.command(invocation);
    expect(command.argv).toEqual([
      'claude',
      '--print',
      '--input-format',
      'stream-json',
      '--output-format',
      'stream-json',
      '--verbose',
      '--model',
      'claude-sonnet-4-5',
      '--max-turns',
      '40',
      '--max-budget-usd',
      '7.5',
      '--dangerously-skip-permissions',
    ]);
    expect(command.keepStdinOpen).toBe(true);
    expect(JSON.parse(command.stdin!)).toEqual({
      type: 'user',
      message: { role: 'user', content: [{ type: 'text', text: 'Write hello.txt' }] },
      parent_tool_use_id: null,
      session_id: '',
    });
    expect(command.stdin!.endsWith('}\n')).toBe(true);
    expect(command.env).toMatchObject({
      HOME: '/pod/home',
      ANTHROPIC_API_KEY: 'key-canary',
      IS_SANDBOX: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
      DISABLE_ERROR_REPORTING: '1',
    });
    expect(command.env).not.toHaveProperty('ANTHROPIC_BASE_URL');
  });

  it('goes on from a session, at an endpoint of one’s own, with a model of the CLI’s choice', () => {
    const { argv, env } = claude.command({
      ...invocation,
      settings: { ...settings, baseUrl: 'https://models.example/v1' },
      resumeSession: '1ad3ad55-6cf8-49b0-9534-7dc3795a9ef9',
    });
    expect(argv.slice(-2)).toEqual(['--resume', '1ad3ad55-6cf8-49b0-9534-7dc3795a9ef9']);
    expect(argv).not.toContain('--model');
    expect(env['ANTHROPIC_BASE_URL']).toBe('https://models.example/v1');
  });

  it.each([
    [{ ANTHROPIC_API_KEY: 'a', CLAUDE_CODE_OAUTH_TOKEN: 'b' }, 'ANTHROPIC_API_KEY'],
    [{ CLAUDE_CODE_OAUTH_TOKEN: 'b' }, 'CLAUDE_CODE_OAUTH_TOKEN'],
    [
      { ANTHROPIC_API_KEY: 'a', CLAUDE_CODE_OAUTH_TOKEN: 'b', CLAUDE_AUTH_MODE: 'oauth-token' },
      'CLAUDE_CODE_OAUTH_TOKEN',
    ],
    [{ ANTHROPIC_API_KEY: 'a', CLAUDE_CODE_OAUTH_TOKEN: 'b', CLAUDE_AUTH_MODE: 'api-key' }, 'ANTHROPIC_API_KEY'],
  ])('uses one credential, never two: %j', (secrets, name) => {
    const { env } = claude.command({ ...invocation, secrets });
    expect(Object.keys(env).filter((each) => /ANTHROPIC|OAUTH|AUTH_MODE/.test(each))).toEqual([name]);
  });

  it.each([
    [{ ANTHROPIC_API_KEY: 'a', CLAUDE_AUTH_MODE: 'oauth-token' }, 'credential_missing', 'CLAUDE_CODE_OAUTH_TOKEN'],
    [{ ANTHROPIC_API_KEY: 'a', CLAUDE_AUTH_MODE: 'magic' }, 'agent_settings_invalid', 'CLAUDE_AUTH_MODE'],
  ])('refuses by name what it can not sign in with: %j', (secrets, code, field) => {
    expect(() => claude.command({ ...invocation, secrets })).toThrow(expect.objectContaining({ code, field }));
  });

  it.each([
    [{ argv: ['x'] }, ''],
    [{ model: '--evil' }, 'model'],
    [{ baseUrl: 'file:///etc/passwd' }, 'baseUrl'],
    [{ env: { ANTHROPIC_API_KEY: 'in plain sight' } }, 'env.ANTHROPIC_API_KEY'],
    [{ env: { HOME: '/root' } }, 'env.HOME'],
  ])('refuses settings that can not work: %j', (more, field) => {
    expect(() => claude.validate({ ...settings, ...more })).toThrow(
      expect.objectContaining({ code: 'agent_settings_invalid', field }),
    );
  });
});

describe('what people say to it', () => {
  it('goes to its stdin, with the id by which the CLI tells what became of it', () => {
    const steering = claude.steering(settings);
    expect(JSON.parse(steering.message!('0199', 'also the changelog'))).toMatchObject({
      type: 'user',
      uuid: '0199',
      message: { content: [{ type: 'text', text: 'also the changelog' }] },
    });
    expect(JSON.parse((steering.interrupt as (id: string) => string)('0200'))).toEqual({
      type: 'control_request',
      request_id: '0200',
      request: { subtype: 'interrupt' },
    });
  });

  it('is seen in the log from queue to end, in one result', () => {
    const { lines, state } = read(recorded('stream-steer'));
    expect(lines.filter(({ text }) => text.startsWith('Message ')).map(({ text }) => text)).toEqual([
      'Message queued',
      'Message started',
      'Message completed',
    ]);
    expect(state.idle).toBe(true);
  });
});

describe('a run', () => {
  it('is read as thoughts, words, tools, usage and a result', () => {
    const { kinds, lines, state } = read(recorded('success'));
    expect(kinds).toEqual(
      `system thinking text tool_use tool_result text tool_use system tool_result text usage result`.split(' '),
    );
    expect(lines[3]).toMatchObject({ text: 'Write', data: { tool: 'Write', id: 'toolu_pu7n9dpez380mwpttyoa' } });
    expect(lines[4]).toMatchObject({ data: { id: 'toolu_pu7n9dpez380mwpttyoa', isError: false } });
    expect(state).toMatchObject({
      session: 'b9fb1a92-b4c2-4267-8a34-f66a5f6037fa',
      turns: 3,
      idle: true,
      usage: {
        model: 'claude-sonnet-4-5',
        inputTokens: 303,
        outputTokens: 126,
        cacheReadTokens: 90,
        cacheWriteTokens: 60,
        costUsd: '0.003051',
      },
    });
    expect(claude.judge(state, exit(0))).toEqual({ verdict: 'ok' });
  });

  it('that was resumed is billed what it cost, not what its session did', () => {
    expect(read(recorded('resume')).state.usage).toMatchObject({ inputTokens: 101, costUsd: '0.001017' });
  });

  it('with several starts and results in one process is billed each once, and judged by the last', () => {
    const { state, kinds } = read(recorded('stream-multi'));
    expect(kinds.filter((kind) => kind === 'result')).toHaveLength(2);
    expect(state.usage).toMatchObject({ inputTokens: 201, costUsd: '0.002031' });
    expect(state.facts['result']).toMatchObject({ index: 1 });
  });

  it('counts a subagent’s usage and not its turns', () => {
    const { state, lines } = read(recorded('subagent'));
    expect(state.usage).toMatchObject({ inputTokens: 906, costUsd: '0.009144' });
    expect(state.turns).toBe(3);
    expect(lines.filter(({ data }) => data?.['within'] !== undefined).length).toBeGreaterThan(2);
  });

  it('keeps and shows what it does not know', () => {
    const { kinds } = read(recorded('partial-messages'));
    expect(kinds).toContain('unknown');
    const strange = [
      '{"type":"hologram","x":1}',
      '{"type":"assistant","message":{"content":[{"type":"smell"}]}}',
      'torn {',
    ];
    expect(read(strange).lines.map(({ kind, text }) => [kind, text])).toEqual([
      ['unknown', '{"type":"hologram","x":1}'],
      ['unknown', '{"type":"smell"}'],
      ['text', 'torn {'],
    ]);
  });

  it('says which tools were refused, though the CLI calls it a success', () => {
    const { lines, state } = read(recorded('perm-default'));
    const denied = lines.filter(({ kind }) => kind === 'permission_denied');
    expect(denied.map(({ data }) => data?.['tool'])).toEqual(['Write', 'Bash']);
    expect(claude.judge(state, exit(0))).toEqual({ verdict: 'ok' });
  });

  it('says which tools failed', () => {
    const failed = read(recorded('tool-error')).lines.filter(({ data }) => data?.['isError'] === true);
    expect(failed.map(({ text }) => text.split('\n')[0])).toEqual(expect.arrayContaining(['Exit code 3']));
  });

  it('without a known price has no cost rather than a wrong one', () => {
    const priced = recorded('success').map((line) => line.replaceAll('"costBasis":"list"', '"costBasis":"unknown"'));
    const { state, lines } = read(priced);
    expect(state.usage).not.toHaveProperty('costUsd');
    expect(lines.find(({ kind }) => kind === 'usage')?.data).toMatchObject({ priceKnown: false, inputTokens: 303 });
  });
});

describe('the judge', () => {
  it.each([
    ['auth-401', 1, 'credential_refused', 'agent_credential_refused'],
    ['auth-401-retries0', 1, 'credential_refused', 'agent_credential_refused'],
    ['auth-none', 1, 'credential_refused', 'agent_credential_refused'],
    ['forbidden-403', 1, 'credential_refused', 'agent_credential_refused'],
    ['credit-400', 1, 'credential_refused', 'agent_credential_refused'],
    ['unified-rejected-oauth', 1, 'rate_limited', 'agent_rate_limited'],
    ['ratelimit-429-exhausted', 1, 'rate_limited', 'agent_rate_limited'],
    // Ten minutes: it doesn't wait for that, and doesn't say how long they are.
    ['ratelimit-429-long', 1, 'rate_limited', 'agent_rate_limited'],
    ['overloaded-529-exhausted', 1, 'rate_limited', 'agent_rate_limited'],
    ['server-500-exhausted', 1, 'failed', 'agent_provider_unavailable'],
    ['conn-refused', 1, 'failed', 'agent_provider_unavailable'],
    ['notfound-404', 1, 'failed', 'agent_model_unknown'],
    ['badrequest-400-prompt-too-long', 1, 'failed', 'agent_failed'],
    ['refusal', 1, 'failed', 'agent_failed'],
    ['max-turns', 1, 'limit_reached', 'turn_limit'],
    ['max-budget', 1, 'limit_reached', 'cost_limit'],
    ['resume-unknown', 1, 'failed', 'agent_session_lost'],
    ['sigint-in-tool', 0, 'stopped', undefined],
    ['sigterm-in-tool', 143, 'failed', 'agent_exited'],
    ['sigkill-in-tool', null, 'lost', 'agent_killed'],
  ])('tells an end by what the CLI said in so many fields: %s', (name, code, kind, symptom) => {
    const { outcome } = claude.judge(read(recorded(name)).state, exit(code));
    expect([outcome?.kind, outcome?.symptom]).toEqual([kind, symptom]);
    expect(outcome?.detail).not.toBe('');
  });

  it.each(['success', 'mcp', 'ratelimit-429-recovers', 'unified-allowed-warning-oauth', 'stream-interrupt'])(
    'leaves a good end to the commits: %s',
    (name) => {
      expect(claude.judge(read(recorded(name)).state, exit(0))).toEqual({ verdict: 'ok' });
    },
  );

  it('says when a limit ends', () => {
    const { outcome } = claude.judge(read(recorded('unified-rejected-oauth')).state, exit(1));
    expect(outcome?.resetAt).toBe('2027-01-15T08:00:00.000Z');
  });

  it('takes a budget’s cost from where it is told', () => {
    expect(read(recorded('max-budget')).state.usage).toMatchObject({ inputTokens: 500_000, costUsd: '1.500714' });
  });

  it('doesn’t take a crash after a good result for a good end', () => {
    const { state } = read(recorded('success'));
    expect(claude.judge(state, exit(null)).outcome).toMatchObject({ kind: 'lost' });
  });
});

describe('a credential that was refused', () => {
  it('makes a run hopeless at the first answer, while the CLI would ask for minutes', () => {
    const lines = recorded('auth-401');
    const retry = lines.findIndex((line) => line.includes('"api_retry"'));
    const { state } = read(lines.slice(0, retry + 1));
    expect(state.hopeless).toMatchObject({ kind: 'credential_refused', symptom: 'agent_credential_refused' });
    expect(claude.judge(state, exit(143, { ended: 'given_up' })).outcome).toEqual(state.hopeless);
  });

  it('is not seen in a limit or an outage, which pass', () => {
    for (const name of ['ratelimit-429-exhausted', 'conn-refused', 'overloaded-529-exhausted'])
      expect(read(recorded(name)).state.hopeless).toBeUndefined();
  });
});

describe('an idle agent', () => {
  it('is one that has given its result, until it does something again', () => {
    const lines = recorded('stream-multi');
    const first = lines.findIndex((line) => line.includes('"type":"result"') || line.includes('"result_index":0'));
    const before = read(lines.slice(0, first + 1));
    expect(before.state.idle).toBe(true);
    expect(read(lines.slice(first + 1, first + 2), before.state).state.idle).toBeUndefined();
  });

  it('is none that was interrupted: it waits for the word it was interrupted for', () => {
    const lines = recorded('stream-interrupt');
    const aborted = lines.findIndex((line) => line.includes('aborted_tools'));
    expect(read(lines.slice(0, aborted + 1)).state.idle).toBeUndefined();
    expect(read(lines).state.idle).toBe(true);
  });

  it('that can not find its session says so, and forgets it', () => {
    expect(read(recorded('resume-unknown')).state).toMatchObject({ session: '', idle: true });
  });
});
