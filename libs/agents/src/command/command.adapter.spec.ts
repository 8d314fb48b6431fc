import { DEFAULT_LIMITS, type RunExit } from '@capstan/domain';
import type { AgentInvocation, AgentSettings, ParseState } from '../agent.port.js';
import { commandAgent } from './command.adapter.js';

const TEXT: AgentSettings = { agent: 'command', argv: ['./agent'] };
const NDJSON: AgentSettings = { ...TEXT, output: 'ndjson', model: 'small-1' };
const INVOCATION: AgentInvocation = {
  settings: TEXT,
  prompt: 'Do it.\n',
  limits: DEFAULT_LIMITS,
  worktree: '/pod/worktrees/t1',
  home: '/pod/homes/t1',
  secrets: {},
};

function fed(settings: AgentSettings, stdout: readonly unknown[], stderr: readonly string[] = []) {
  let state: ParseState = commandAgent.initial(settings);
  const lines = [];
  const items = [
    ...stdout.map((line) => ['stdout', typeof line === 'string' ? line : JSON.stringify(line)] as const),
    ...stderr.map((line) => ['stderr', line] as const),
  ];
  for (const [stream, text] of items) {
    const step = commandAgent.parse(state, stream, text);
    // A new runner goes on from the stored state.
    state = JSON.parse(JSON.stringify(step.state)) as ParseState;
    lines.push(...step.lines);
  }
  return { state, lines };
}

describe('settings', () => {
  it.each([
    ['argv', { argv: undefined }],
    ['argv', { argv: [] }],
    ['argv.0', { argv: [' '] }],
    ['argv.1', { argv: ['a', 'b\0c'] }],
    ['promptVia', { promptVia: 'pipe' }],
    ['promptVia', { argv: ['a', '--prompt={promptFile}'] }],
    ['output', { output: 'xml' }],
    ['input', { input: 'pipe' }],
    ['env.HOME', { env: { HOME: '/root' } }],
    ['env.CAPSTAN_RUN_ID', { env: { CAPSTAN_RUN_ID: '1' } }],
    ['env.A=B', { env: { 'A=B': '1' } }],
  ])('refuses a faulty %s', (field, change) => {
    const settings = { ...TEXT, ...change } as unknown as AgentSettings;
    expect(() => commandAgent.validate(settings)).toThrow(
      expect.objectContaining({ name: 'UserError', code: 'agent_settings_invalid', field }),
    );
  });

  it('accepts what can work', () => {
    expect(() => commandAgent.validate(TEXT)).not.toThrow();
    expect(() => commandAgent.validate({ ...TEXT, argv: ['a', '{promptFile}'], promptVia: 'file' })).not.toThrow();
  });
});

describe('command', () => {
  it('gives the prompt on stdin', () => {
    expect(commandAgent.command(INVOCATION)).toMatchSnapshot();
  });

  it('gives the prompt in a file', () => {
    const settings: AgentSettings = { ...NDJSON, argv: ['./agent', '--prompt', '{promptFile}'], promptVia: 'file' };
    expect(
      commandAgent.command({ ...INVOCATION, settings, resumeSession: 's1', cacheDirectory: '/pod/cache' }),
    ).toMatchSnapshot();
  });

  it('keeps stdin open for an agent that listens there, and gives it the prompt as a line', () => {
    const settings: AgentSettings = { ...NDJSON, input: 'ndjson' };
    const { stdin, keepStdinOpen } = commandAgent.command({ ...INVOCATION, settings });
    expect(keepStdinOpen).toBe(true);
    expect(stdin).toBe('{"type":"prompt","text":"Do it.\\n"}\n');
    const byFile = commandAgent.command({ ...INVOCATION, settings: { ...settings, promptVia: 'file' } });
    expect(byFile).toMatchObject({ keepStdinOpen: true });
    expect(byFile).not.toHaveProperty('stdin');
  });

  it('lets only listed variables of the pod through, and no secret', () => {
    const { env } = commandAgent.command({
      ...INVOCATION,
      settings: { ...TEXT, env: { PATH: '/opt/bin', TOOL: 'x' } },
      podEnvironment: {
        PATH: '/usr/bin',
        LANG: 'de_DE.UTF-8',
        HTTPS_PROXY: 'http://127.0.0.1:1',
        PGPASSWORD: 'canary',
        TZ: undefined,
      },
      secrets: { OTHER: 'canary' },
    });
    expect(env).toMatchObject({
      PATH: '/opt/bin',
      TOOL: 'x',
      LANG: 'de_DE.UTF-8',
      HTTPS_PROXY: 'http://127.0.0.1:1',
      TZ: 'UTC',
    });
    expect(JSON.stringify(env)).not.toContain('canary');
  });
});

describe('parse', () => {
  it('reads plain text line by line', () => {
    expect(fed(TEXT, ['a', '', '{"type":"error"}'], ['warn']).lines).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'text', text: '' },
      { kind: 'text', text: '{"type":"error"}' },
      { kind: 'stderr', text: 'warn' },
    ]);
  });

  it('reads the ndjson protocol', () => {
    const { lines, state } = fed(NDJSON, [
      { type: 'session', id: 's1' },
      { type: 'thinking', text: 'Hm.' },
      { type: 'text', text: 'I will.' },
      { type: 'tool_use', tool: 'bash', id: 't1', input: { command: 'npm test' } },
      { type: 'tool_result', id: 't1', text: '1 failed', isError: true },
      { type: 'rate_limited', resetAt: '2030-01-01T00:00:00Z' },
      { type: 'permission_denied', tool: 'web' },
      { type: 'error', text: 'oops' },
      { type: 'usage', inputTokens: 10, outputTokens: 2, costUsd: 0.015 },
      { type: 'result', ok: true, text: 'Fixed.' },
    ]);
    expect(lines).toMatchSnapshot();
    expect(state).toMatchSnapshot();
  });

  it.each([
    ['no JSON', 'hello'],
    ['torn JSON', '{"type":"text","te'],
    ['an unknown type', '{"type":"dance","steps":3}'],
    ['no object', '[1,2]'],
    ['a known type of a wrong shape', '{"type":"usage","inputTokens":-4}'],
    ['a cost that no run has', '{"type":"usage","costUsd":500000000}'],
    ['a cost in words that no run has', '{"type":"usage","costUsd":"500000000"}'],
    ['a model without end', `{"type":"usage","model":"${'m'.repeat(3_000)}"}`],
  ])('keeps %s as unknown', (_, raw) => {
    expect(fed(NDJSON, [raw])).toMatchObject({
      lines: [{ kind: 'unknown', text: raw }],
      state: commandAgent.initial(NDJSON),
    });
  });

  it('takes usage as totals: they only rise, and a repeated line changes nothing', () => {
    const { state } = fed(NDJSON, [
      { type: 'usage', model: 'm', inputTokens: 10, outputTokens: 5, costUsd: '0.10' },
      { type: 'usage', inputTokens: 30, outputTokens: 9, costUsd: '0.3' },
      { type: 'usage', inputTokens: 30, outputTokens: 9, costUsd: '0.3' },
      { type: 'usage', inputTokens: 2, costUsd: 1e-7 },
    ]);
    expect(state.usage).toEqual({
      model: 'm',
      inputTokens: 30,
      outputTokens: 9,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      costUsd: '0.3',
    });
  });

  it('writes costs as decimals', () => {
    expect(fed(NDJSON, [{ type: 'usage', costUsd: 1e-7 }]).state.usage).toMatchObject({
      model: 'small-1',
      costUsd: '0.0000001',
    });
    expect(fed(NDJSON, [{ type: 'usage', costUsd: 10 }]).state.usage?.costUsd).toBe('10');
    expect(fed(NDJSON, [{ type: 'usage', inputTokens: 1 }]).state.usage).not.toHaveProperty('costUsd');
  });

  it('keeps nothing that Postgres can not hold', () => {
    const { lines } = fed(NDJSON, ['{"type":"tool_use","tool":"a\\u0000","input":{"k\\u0000":["\\ud800"]}}', 'raw\0']);
    expect(JSON.stringify(lines)).not.toMatch(/\\u0000|\\ud800/);
    expect(fed(TEXT, [`${'['.repeat(3)}\0`]).lines[0]!.text).toBe('[[[\uFFFD');
  });

  it('survives a line that nests without end', () => {
    const deep = `{"type":"tool_use","tool":"x","input":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(fed(NDJSON, [deep]).lines[0]!.kind).toBe('tool_use');
  });
});

describe('steering', () => {
  it('writes one line for each thing that is said', () => {
    const { message, interrupt } = commandAgent.steering({ ...TEXT, input: 'ndjson' });
    expect(message?.('m1', 'two\nlines "quoted"')).toBe(
      '{"type":"message","id":"m1","text":"two\\nlines \\"quoted\\""}',
    );
    expect(typeof interrupt === 'function' && interrupt('i1')).toBe('{"type":"interrupt","id":"i1"}');
  });

  it('reaches no program that has not declared that it listens', () => {
    expect(commandAgent.steering(TEXT)).toEqual({ message: null, interrupt: null });
  });

  it('counts turns as totals, which only rise', () => {
    const { state } = fed(NDJSON, [
      { type: 'usage', turns: 2 },
      { type: 'usage', turns: 7 },
      { type: 'usage', turns: 3, costUsd: '0.5' },
    ]);
    expect(state.turns).toBe(7);
    expect(fed(NDJSON, [{ type: 'usage', inputTokens: 1 }]).state.turns).toBeUndefined();
  });
});

describe('judge', () => {
  const failed = (error?: object) => ({ type: 'result', ok: false, ...(error && { error }) });
  const exit = (change: Partial<RunExit>): RunExit => ({ code: 0, signal: null, ...change });

  it.each<[string, readonly unknown[], RunExit, string, string | undefined]>([
    [
      'a reported credential',
      [failed({ kind: 'credential' })],
      exit({ code: 1 }),
      'credential_refused',
      'agent_credential_refused',
    ],
    [
      'a reported rate limit',
      [failed({ kind: 'rate_limit' })],
      exit({ code: 1 }),
      'rate_limited',
      'agent_rate_limited',
    ],
    ['a reported limit', [failed({ kind: 'limit' })], exit({}), 'limit_reached', 'agent_limit_reached'],
    ['another failure', [failed({ kind: 'other' })], exit({}), 'failed', 'agent_failed'],
    ['a failure of a kind not known', [failed({ kind: 'moon' })], exit({}), 'failed', 'agent_failed'],
    ['a failure without a reason', [failed()], exit({}), 'failed', 'agent_failed'],
    ['a non-zero exit', [], exit({ code: 3 }), 'failed', 'agent_exited'],
    ['a good result and a non-zero exit', [{ type: 'result', ok: true }], exit({ code: 3 }), 'failed', 'agent_exited'],
    ['a kill that Capstan did not ask for', [], exit({ code: null, signal: 'SIGKILL' }), 'lost', 'agent_killed'],
    ['the deadline', [], exit({ code: null, signal: 'SIGKILL', ended: 'deadline' }), 'limit_reached', 'run_time_limit'],
    ['the log limit', [], exit({ code: null, ended: 'log_limit' }), 'limit_reached', 'run_log_limit'],
    [
      'the cost limit',
      [{ type: 'result', ok: true }],
      exit({ ended: 'cost_limit', message: '$2 of $1' }),
      'limit_reached',
      'cost_limit',
    ],
    ['the turn limit', [], exit({ code: null, ended: 'turn_limit' }), 'limit_reached', 'turn_limit'],
    ['a stop', [failed({ kind: 'other' })], exit({ code: null, ended: 'stopped' }), 'stopped', undefined],
    [
      'no such program',
      [],
      exit({ code: null, ended: 'start_failed', message: 'ENOENT' }),
      'failed',
      'agent_not_found',
    ],
  ])('%s', (_, lines, ended, kind, symptom) => {
    const judged = commandAgent.judge(fed(NDJSON, lines).state, ended);
    expect(judged).toMatchObject({ verdict: 'outcome', outcome: { kind } });
    expect(judged.outcome?.symptom).toBe(symptom);
  });

  it('leaves exit 0 to the commits, whatever the text says', () => {
    expect(commandAgent.judge(fed(TEXT, ['Error: rate limit, invalid API key']).state, exit({}))).toEqual({
      verdict: 'ok',
    });
    expect(commandAgent.judge(fed(NDJSON, [failed(), { type: 'result', ok: true }]).state, exit({}))).toEqual({
      verdict: 'ok',
    });
  });

  it('passes a reset time on, in UTC', () => {
    const { state } = fed(NDJSON, [
      failed({ kind: 'rate_limit', resetAt: '2030-01-01T02:00:00+02:00', message: 'slow down' }),
    ]);
    expect(commandAgent.judge(state, exit({})).outcome).toMatchObject({
      resetAt: '2030-01-01T00:00:00.000Z',
      detail: "The agent's provider limits its rate: slow down",
    });
  });

  it('quotes the last line of stderr', () => {
    const { state } = fed(TEXT, [], ['first', 'TypeError: x is not a function', '  ']);
    expect(commandAgent.judge(state, exit({ code: 1 })).outcome?.detail).toBe(
      'The agent exited with code 1: TypeError: x is not a function',
    );
  });
});
