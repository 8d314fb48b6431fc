import { readFileSync } from 'node:fs';
import { DEFAULT_LIMITS, type RunExit } from '@capstan/domain';
import type { AgentInvocation, AgentSettings, ParsedLine, ParseState } from '../agent.port.js';
import { codexAgent } from './codex.adapter.js';

const SETTINGS: AgentSettings = { agent: 'codex', model: 'gpt-5.5' };
const INVOCATION: AgentInvocation = {
  settings: SETTINGS,
  prompt: 'Do it.\n',
  limits: DEFAULT_LIMITS,
  worktree: '/pod/worktrees/t1/tree',
  home: '/pod/worktrees/t1/home',
  secrets: { OPENAI_API_KEY: 'canary' },
};
const THREAD = '01a1fc1b-b919-7870-a2d6-4c2a13b169ce';
const WAITING =
  '{"type":"error","message":"Reconnecting... waiting for network (Connection failed: error sending request)"}';
const exit = (code: number | null, signal: string | null = null): RunExit => ({ code, signal });

function fixture(name: string): readonly string[] {
  const text = readFileSync(new URL(`./fixtures/${name}.jsonl`, import.meta.url), 'utf8');
  return text.split('\n').filter((line) => line !== '');
}

function fed(
  stdout: readonly (string | object)[],
  { from = codexAgent.initial(SETTINGS), stderr = [] }: { from?: ParseState; stderr?: readonly string[] } = {},
): { state: ParseState; lines: readonly ParsedLine[] } {
  let state = from;
  const lines: ParsedLine[] = [];
  const items = [
    ...stderr.map((line) => ['stderr', line] as const),
    ...stdout.map((line) => ['stdout', typeof line === 'string' ? line : JSON.stringify(line)] as const),
  ];
  for (const [stream, text] of items) {
    const step = codexAgent.parse(state, stream, text);
    // A new runner goes on from the stored state.
    state = JSON.parse(JSON.stringify(step.state)) as ParseState;
    lines.push(...step.lines);
  }
  return { state, lines };
}

const error = (message = 'x') => ({ type: 'error', message });
const started = (id = THREAD) => ({ type: 'thread.started', thread_id: id });
const completed = (input: number, cached: number, output: number, cacheWrite = 0) => ({
  type: 'turn.completed',
  usage: {
    input_tokens: input,
    cached_input_tokens: cached,
    cache_write_input_tokens: cacheWrite,
    output_tokens: output,
    reasoning_output_tokens: 1,
  },
});
const used = (fresh: number, cached: number, output: number) => ({
  inputTokens: fresh,
  cacheReadTokens: cached,
  outputTokens: output,
  cacheWriteTokens: 0,
});

describe('settings', () => {
  it.each([
    ['model', { model: '--search' }],
    ['baseUrl', { baseUrl: 'file:///etc/passwd' }],
    ['env.HOME', { env: { HOME: '/root' } }],
    ['env.OPENAI_API_KEY', { env: { OPENAI_API_KEY: 'sk-1' } }],
  ])('refuses a faulty %s', (field, change) => {
    expect(() => codexAgent.validate({ ...SETTINGS, ...change })).toThrow(
      expect.objectContaining({ name: 'UserError', code: 'agent_settings_invalid', field }),
    );
  });
});

describe('command', () => {
  it('starts a thread, with the prompt on stdin and the provider in a file', () => {
    expect(codexAgent.command({ ...INVOCATION, podEnvironment: { PATH: '/usr/bin' } })).toEqual({
      argv: ['codex', 'exec', '--json', '--dangerously-bypass-approvals-and-sandbox', '-'],
      env: {
        PATH: '/usr/bin',
        LANG: 'C.UTF-8',
        TZ: 'UTC',
        npm_config_cache: '/pod/worktrees/t1/home/.cache/npm',
        npm_config_store_dir: '/pod/worktrees/t1/home/.cache/pnpm',
        YARN_CACHE_FOLDER: '/pod/worktrees/t1/home/.cache/yarn',
        PIP_CACHE_DIR: '/pod/worktrees/t1/home/.cache/pip',
        UV_CACHE_DIR: '/pod/worktrees/t1/home/.cache/uv',
        GOCACHE: '/pod/worktrees/t1/home/.cache/go-build',
        GOMODCACHE: '/pod/worktrees/t1/home/.cache/go-mod',
        GRADLE_USER_HOME: '/pod/worktrees/t1/home/.cache/gradle',
        XDG_CACHE_HOME: '/pod/worktrees/t1/home/.cache',
        CI: '1',
        NO_COLOR: '1',
        TERM: 'dumb',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        GIT_AUTHOR_NAME: 'Capstan agent',
        GIT_AUTHOR_EMAIL: 'agent@capstan.invalid',
        GIT_COMMITTER_NAME: 'Capstan agent',
        GIT_COMMITTER_EMAIL: 'agent@capstan.invalid',
        HOME: '/pod/worktrees/t1/home',
        TMPDIR: '/pod/worktrees/t1/home/.tmp',
        OPENAI_API_KEY: 'canary',
        CODEX_HOME: '/pod/worktrees/t1/home/.codex',
      },
      stdin: 'Do it.\n',
      files: {
        '/pod/worktrees/t1/home/.codex/config.toml': [
          'model = "gpt-5.5"',
          'model_provider = "capstan"',
          'check_for_update_on_startup = false',
          '',
          '[model_providers.capstan]',
          'name = "Capstan"',
          'base_url = "https://api.openai.com/v1"',
          'env_key = "OPENAI_API_KEY"',
          'wire_api = "responses"',
          'request_max_retries = 4',
          'stream_max_retries = 5',
          '',
          '[shell_environment_policy]',
          'exclude = ["OPENAI_API_KEY"]',
          '',
          '[analytics]',
          'enabled = false',
          '',
          '[feedback]',
          'enabled = false',
          '',
        ].join('\n'),
        '/pod/worktrees/t1/home/.tmp/README': 'Temporary files of the agent.\n',
      },
    });
  });

  it('goes on from a thread', () => {
    const { argv, stdin } = codexAgent.command({ ...INVOCATION, resumeSession: THREAD });
    expect({ argv, stdin }).toEqual({
      argv: ['codex', 'exec', 'resume', '--json', '--dangerously-bypass-approvals-and-sandbox', THREAD, '-'],
      stdin: 'Do it.\n',
    });
  });

  it('has the key in the environment alone', () => {
    const { env, ...rest } = codexAgent.command({ ...INVOCATION, resumeSession: THREAD });
    expect(JSON.stringify(rest)).not.toContain('canary');
    expect(env).toMatchObject({ OPENAI_API_KEY: 'canary' });
  });

  it('keeps its places, whatever the settings say', () => {
    const settings: AgentSettings = { ...SETTINGS, env: { CODEX_HOME: '/tmp/x', RUST_LOG: 'warn' } };
    const { env } = codexAgent.command({ ...INVOCATION, settings });
    expect(env).toMatchObject({ CODEX_HOME: '/pod/worktrees/t1/home/.codex', RUST_LOG: 'warn' });
  });

  it('asks another endpoint for the model, and Codex for its own model where none is named', () => {
    const settings: AgentSettings = { agent: 'codex', baseUrl: 'https://models.example/"v1"\u007f/' };
    const { files } = codexAgent.command({ ...INVOCATION, settings });
    const config = files?.['/pod/worktrees/t1/home/.codex/config.toml'];
    expect(config).toContain('base_url = "https://models.example/\\"v1\\"\\u007f"\n');
    expect(config).not.toMatch(/^model =/m);
  });

  it('refuses a missing variable by name, before Codex would in words', () => {
    expect(() => codexAgent.command({ ...INVOCATION, secrets: {} })).toThrow(
      expect.objectContaining({ name: 'UserError', code: 'credential_missing', field: 'OPENAI_API_KEY' }),
    );
  });
});

it('can not be reached while it works', () => {
  expect(codexAgent.steering(SETTINGS)).toEqual({ message: null, interrupt: null });
});

describe('recorded runs', () => {
  const OK = { verdict: 'ok' };
  const failed = (symptom: string, kind = 'failed') => ({ verdict: 'outcome', outcome: { kind, symptom } });
  const WORDS = ['system', 'system', 'text', 'usage', 'result'];
  const COMMAND = ['system', 'system', 'text', 'tool_use', 'tool_result', 'text', 'usage', 'result'];
  const NO_RETRY = ['system', 'system', 'error', 'result'];
  const RETRIED = ['system', 'system', 'error', 'error', 'error', 'result'];

  it.each<[string, RunExit, object, object | undefined, readonly string[]]>([
    [
      'success',
      exit(0),
      OK,
      used(273, 30, 126),
      [...['system', 'system', 'thinking', 'text', 'tool_use', 'tool_result', 'text'], ...COMMAND.slice(3)],
    ],
    ['tool-error', exit(0), OK, used(366, 40, 168), COMMAND],
    [
      'mcp',
      exit(0),
      OK,
      used(273, 30, 126),
      ['system', 'system', 'tool_use', 'tool_result', 'tool_use', 'tool_result', 'text', 'usage', 'result'],
    ],
    ['resume-first', exit(0), OK, used(90, 10, 42), WORDS],
    ['resume', exit(0), OK, used(181, 20, 84), WORDS],
    ['sandbox-danger', exit(0), OK, used(181, 20, 84), COMMAND],
    ['sandbox-workspace-write', exit(0), OK, used(181, 20, 84), COMMAND],
    ['unknown-model-warning', exit(0), OK, used(90, 10, 42), ['system', 'error', 'system', 'text', 'usage', 'result']],
    ['ratelimit-429-recovers', exit(0), OK, used(90, 10, 42), ['system', 'system', 'error', 'text', 'usage', 'result']],
    ['ratelimit-429', exit(1), failed('agent_provider_unavailable'), undefined, RETRIED],
    ['server-500', exit(1), failed('agent_provider_unavailable'), undefined, RETRIED],
    ['auth-401', exit(1), failed('agent_provider_unavailable'), undefined, RETRIED],
    ['auth-noenv', exit(1), failed('agent_failed'), undefined, NO_RETRY],
    ['quota-429', exit(1), failed('agent_failed'), undefined, NO_RETRY],
    ['usage-limit-429', exit(1), failed('agent_failed'), undefined, NO_RETRY],
    ['badrequest-400', exit(1), failed('agent_failed'), undefined, NO_RETRY],
    ['context-400', exit(1), failed('agent_failed'), undefined, NO_RETRY],
    ['sigterm', exit(143), failed('agent_exited'), undefined, ['system', 'system', 'text', 'tool_use']],
    ['sigint', exit(1), failed('agent_exited'), undefined, ['system', 'system', 'text', 'tool_use']],
    ['sigterm-resumed', exit(0), OK, used(91, 10, 42), WORDS],
    ['sigint-resumed', exit(0), OK, used(181, 20, 84), WORDS],
    [
      'conn-refused',
      exit(null, 'SIGKILL'),
      failed('agent_killed', 'lost'),
      undefined,
      ['system', 'system', ...Array<string>(5).fill('error')],
    ],
  ])('%s', (name, ended, judgement, usage, kinds) => {
    const raw = fixture(name);
    const { state, lines } = fed(raw);
    expect(lines.map(({ kind }) => kind)).toEqual(kinds);
    expect(codexAgent.judge(state, ended)).toMatchObject(judgement);
    if (usage === undefined) expect(state.usage).toBeUndefined();
    else expect(state.usage).toMatchObject(usage);
    expect(state.session).toBe((JSON.parse(raw[0]!) as { thread_id: string }).thread_id);
    expect(state.hopeless).toBeUndefined();
  });

  it('shows tools with what they were given and what came of it', () => {
    const { lines } = fed(fixture('tool-error'));
    expect(lines.slice(3, 5)).toEqual([
      {
        kind: 'tool_use',
        text: 'shell',
        data: {
          tool: 'shell',
          id: 'item_1',
          input: { command: "/bin/bash -lc 'echo out; echo boom >&2; exit 3'" },
        },
      },
      { kind: 'tool_result', text: 'out\nboom\n', data: { id: 'item_1', isError: true, exitCode: 3 } },
    ]);
    const mcp = fed(fixture('mcp')).lines.filter(({ kind }) => kind === 'tool_use' || kind === 'tool_result');
    expect(mcp.map(({ text, data }) => [text, data?.['isError']])).toEqual([
      ['orc.report_progress', undefined],
      ['noted: half env=t-2', false],
      ['orc.fail', undefined],
      ['it failed', true],
    ]);
  });

  it('a sandbox of Codex would let commits fail in a run that ends well: it runs without', () => {
    const { lines } = fed(fixture('sandbox-workspace-write'));
    const result = lines.find(({ kind }) => kind === 'tool_result');
    expect(result).toMatchObject({ text: expect.stringContaining('index.lock'), data: { isError: false } });
    expect(codexAgent.command(INVOCATION).argv).toContain('--dangerously-bypass-approvals-and-sandbox');
  });

  it('quotes why a turn failed', () => {
    expect(codexAgent.judge(fed(fixture('badrequest-400')).state, exit(1)).outcome?.detail).toBe(
      'The agent reported a failure: The requested model does not exist.',
    );
  });

  it('what Capstan ended, it ended', () => {
    const { state } = fed(fixture('sigterm'));
    expect(codexAgent.judge(state, { ...exit(143), ended: 'stopped' }).outcome).toMatchObject({ kind: 'stopped' });
  });
});

describe('a provider that is not there', () => {
  it('gives up on an endless wait for the network, at the seventh error in a row', () => {
    const six = fed([...fixture('conn-refused'), WAITING]).state;
    expect(six.hopeless).toBeUndefined();
    const { state } = fed([WAITING, WAITING], { from: six });
    expect(state.hopeless).toMatchObject({ kind: 'failed', symptom: 'agent_provider_unavailable' });
    expect(codexAgent.judge(state, { ...exit(null, 'SIGKILL'), ended: 'given_up' }).outcome).toEqual(state.hopeless);
  });

  it('lets a turn come to its own end: five tries again and the last word are no endless wait', () => {
    const { state } = fed([
      started(),
      ...Array<object>(6).fill(error()),
      { type: 'turn.failed', error: { message: 'x' } },
    ]);
    expect(state.hopeless).toBeUndefined();
    expect(codexAgent.judge(state, exit(1)).outcome).toMatchObject({ symptom: 'agent_provider_unavailable' });
  });

  it('counts anew after any sign of work, known or not', () => {
    const five = Array<object>(5).fill(error());
    const message = { type: 'item.completed', item: { type: 'agent_message', id: 'i', text: 'on it' } };
    expect(fed([started(), ...five, message, ...five, { type: 'novelty' }, ...five]).state.hopeless).toBeUndefined();
    expect(fed([started(), ...five, 'no event', ...five]).state.hopeless).toBeDefined();
  });
});

describe('a thread that goes on', () => {
  const former = fed(fixture('resume-first')).state.facts;
  const from = codexAgent.initial(SETTINGS, former);

  it('is billed for what this run added to its total', () => {
    const { state } = fed(fixture('resume'), { from });
    // 101 tokens in, 10 of them cached, and 42 out.
    expect(state.usage).toEqual({ model: 'gpt-5.5', ...used(91, 10, 42), costUsd: '0.00172' });
  });

  it('is billed whole where nobody knows the earlier total', () => {
    expect(fed(fixture('resume')).state.usage).toMatchObject(used(181, 20, 84));
    const unknown = codexAgent.initial(SETTINGS, {});
    expect(fed(fixture('resume'), { from: unknown }).state.usage).toMatchObject(used(181, 20, 84));
    const foreign = codexAgent.initial(SETTINGS, { thread: 7, total: { fresh: -1 } });
    expect(fed(fixture('resume'), { from: foreign }).state.usage).toMatchObject(used(181, 20, 84));
  });

  it('keeps the total over a run that was broken off before it told its own', () => {
    const broken = fed([started(), { type: 'turn.started' }], { from }).state;
    expect(broken.usage).toBeUndefined();
    const { state } = fed(fixture('resume'), { from: codexAgent.initial(SETTINGS, broken.facts) });
    expect(state.usage).toMatchObject(used(91, 10, 42));
  });

  it('is billed whole when it is another thread, or one that counts anew', () => {
    expect(fed([started('other'), completed(201, 20, 84)], { from }).state.usage).toMatchObject(used(181, 20, 84));
    expect(fed([started(), completed(50, 5, 10)], { from }).state.usage).toMatchObject(used(45, 5, 10));
  });

  it('takes several turns of one process as one total', () => {
    const { state } = fed([started(), completed(100, 10, 42), completed(201, 20, 84)]);
    expect(state.usage).toMatchObject(used(181, 20, 84));
  });

  it('is lost when Codex ends before it opens it', () => {
    const stderr = [
      'Error: thread/resume: thread/resume failed: no rollout found for thread id 01a1fc1b-39af-7a32-a34e-000000000000 (code -32600)',
    ];
    const { state } = fed([], { from, stderr });
    expect(state.session).toBe('');
    const { outcome } = codexAgent.judge(state, exit(1));
    expect(outcome).toMatchObject({ kind: 'failed', symptom: 'agent_session_lost' });
    expect(outcome?.detail).toContain('no rollout found');
    // A run that was to start a thread has none to lose.
    const fresh = fed([], { stderr }).state;
    expect(fresh.session).toBeUndefined();
    expect(codexAgent.judge(fresh, exit(1)).outcome).toMatchObject({ symptom: 'agent_exited' });
  });

  it('is not lost by a word on stderr, nor by a kill', () => {
    const { state } = fed(fixture('resume'), { from, stderr: ['Reading additional input from stdin...'] });
    expect(state.session).toBe(THREAD);
    expect(codexAgent.judge(fed([], { from }).state, exit(null, 'SIGKILL')).outcome).toMatchObject({ kind: 'lost' });
  });

  it('never has an id that looks like an option', () => {
    const { state, lines } = fed([started('--config=x')]);
    expect(state.session).toBeUndefined();
    expect(lines[0]!.kind).toBe('unknown');
  });
});

describe('cost', () => {
  const lineOf = (settings: AgentSettings, event: object) => {
    const { state, lines } = fed([started(), event], { from: codexAgent.initial(settings) });
    return { usage: state.usage, line: lines.find(({ kind }) => kind === 'usage') };
  };

  it('is counted by list price: fresh, cached and written to the cache are three prices', () => {
    expect(lineOf(SETTINGS, completed(303, 30, 126)).usage?.costUsd).toBe('0.00516');
    const sol: AgentSettings = { agent: 'codex', model: 'gpt-6-sol' };
    const { usage, line } = lineOf(sol, completed(1_000_000, 400_000, 100_000, 200_000));
    expect(usage).toMatchObject({ inputTokens: 400_000, cacheWriteTokens: 200_000, costUsd: '2.38' });
    expect(line?.data).not.toHaveProperty('priceKnown');
  });

  it.each<[string, AgentSettings, object]>([
    ['of a model that is not in the table', { agent: 'codex', model: 'gpt-5' }, completed(100, 10, 42)],
    ['of a name beside one in the table', { agent: 'codex', model: 'gpt-5.5-pro' }, completed(100, 10, 42)],
    ["of Codex's own choice", { agent: 'codex' }, completed(100, 10, 42)],
    ['at another endpoint', { ...SETTINGS, baseUrl: 'https://models.example/v1' }, completed(100, 10, 42)],
    ['of a cache that has no price', SETTINGS, completed(100, 10, 42, 5)],
  ])('is unknown %s, and says so', (_, settings, event) => {
    const { usage, line } = lineOf(settings, event);
    expect(usage).not.toHaveProperty('costUsd');
    expect(usage).toMatchObject({ model: settings.model ?? 'unknown', outputTokens: 42 });
    expect(line?.data).toMatchObject({ priceKnown: false });
  });
});

describe('lines', () => {
  it.each([
    ['torn JSON', '{"type":"turn.comp', 'text'],
    ['words', 'Reading prompt from stdin...', 'text'],
    ['a list', '[1,2]', 'text'],
    ['an unknown event', '{"type":"thread.compacted","n":1}', 'unknown'],
    ['an unknown item', '{"type":"item.completed","item":{"id":"i","type":"dream"}}', 'unknown'],
    ['a known event of a wrong shape', '{"type":"turn.completed","usage":{"input_tokens":-1}}', 'unknown'],
    ['an update of no interest', '{"type":"item.updated","item":{"id":"i","type":"reasoning","text":"hm"}}', 'unknown'],
  ])('keeps %s', (_, raw, kind) => {
    const { state, lines } = fed([raw]);
    expect(lines).toEqual([{ kind, text: raw }]);
    expect(state).toEqual(codexAgent.initial(SETTINGS));
  });

  it('keeps a message that begins', () => {
    const raw = '{"type":"item.started","item":{"id":"i","type":"agent_message","text":"I"}}';
    expect(fed([raw]).lines).toEqual([{ kind: 'unknown', text: raw }]);
  });

  it('passes over empty lines', () => {
    expect(fed(['', ' ']).lines).toEqual([]);
  });

  it('shows a plan as it changes, and a tool that was not announced', () => {
    const items = [{ text: 'a', completed: false }];
    const list = (type: string) => ({ type, item: { type: 'todo_list', id: 'i1', items } });
    const search = { type: 'item.completed', item: { type: 'web_search', id: 'i2', query: 'q' } };
    const { lines } = fed([list('item.started'), list('item.updated'), list('item.completed'), search]);
    expect(lines.map(({ kind, text }) => [kind, text])).toEqual([
      ['tool_use', 'todo_list'],
      ['tool_use', 'todo_list'],
      ['tool_use', 'todo_list'],
      ['tool_use', 'web_search'],
      ['tool_result', ''],
    ]);
    expect(lines[0]!.data).toEqual({ tool: 'todo_list', id: 'i1', input: { items } });
  });

  it('survives what nests without end', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const item = `{"type":"mcp_tool_call","id":"i","server":"s","tool":"t","arguments":${deep},"result":{"content":[${deep}]},"status":"completed"}`;
    expect(fed([`{"type":"item.completed","item":${item}}`]).lines.map(({ kind }) => kind)).toEqual([
      'tool_use',
      'tool_result',
    ]);
  });
});
