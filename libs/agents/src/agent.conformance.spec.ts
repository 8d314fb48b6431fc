import fc from 'fast-check';
import { DEFAULT_LIMITS, LOG_KINDS, OUTCOME_KINDS, type RunExit } from '@capstan/domain';
import type { AgentAdapter, AgentSettings, ParseState } from './agent.port.js';
import { agent, AGENT_NAMES } from './registry.js';

/** Settings of each agent that must work; one line per agent. */
const SETTINGS: Readonly<Record<string, readonly AgentSettings[]>> = {
  codex: [{ agent: 'codex' }, { agent: 'codex', model: 'gpt-5.5', baseUrl: 'http://127.0.0.1:1/v1' }],
  opencode: [{ agent: 'opencode' }, { agent: 'opencode', model: 'a/b', baseUrl: 'http://127.0.0.1:1/v1' }],
  gemini: [{ agent: 'gemini' }],
  copilot: [{ agent: 'copilot' }, { agent: 'copilot', model: 'm', baseUrl: 'http://127.0.0.1:1/v1' }],
  'claude-code': [{ agent: 'claude-code', model: 'claude-sonnet-4-5' }],
  command: [
    { agent: 'command', argv: ['./agent'] },
    { agent: 'command', argv: ['./agent'], output: 'ndjson' },
  ],
};

const CASES = AGENT_NAMES.flatMap((name) =>
  (SETTINGS[name] ?? []).map((settings) => [`${name} ${settings.output ?? ''}`, agent(name), settings] as const),
);
const anyLine = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc
    .record({ type: fc.constantFrom('text', 'usage', 'result', 'session', 'tool_use', 'error'), text: fc.anything() })
    .map((line) => {
      try {
        return JSON.stringify(line);
      } catch {
        return '{}';
      }
    }),
);
const anyStream = fc.array(fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), anyLine), { maxLength: 20 });
const anyExit: fc.Arbitrary<RunExit> = fc.record(
  {
    code: fc.option(fc.integer({ min: 0, max: 255 })),
    signal: fc.option(fc.constantFrom('SIGTERM', 'SIGKILL')),
    ended: fc.constantFrom<NonNullable<RunExit['ended']>>(
      ...(['deadline', 'log_limit', 'cost_limit', 'turn_limit', 'stopped', 'start_failed'] as const),
    ),
    message: fc.string(),
  },
  { requiredKeys: ['code', 'signal'] },
);

function folded(adapter: AgentAdapter, from: ParseState, stream: readonly (readonly ['stdout' | 'stderr', string])[]) {
  return stream.reduce<ParseState>((state, [name, text]) => adapter.parse(state, name, text).state, from);
}

it('covers every agent of the registry', () => {
  expect(Object.keys(SETTINGS).sort()).toEqual([...AGENT_NAMES].sort());
});

it('refuses an unknown agent by name', () => {
  expect(() => agent('nobody')).toThrow(expect.objectContaining({ code: 'agent_unknown', field: 'agent' }));
});

describe.each(CASES)('%s', (_, adapter, settings) => {
  it('accepts its settings and refuses foreign ones', () => {
    expect(() => adapter.validate(settings)).not.toThrow();
    expect(() => adapter.validate({ ...settings, surprise: 1 } as AgentSettings)).toThrow(
      expect.objectContaining({ name: 'UserError' }),
    );
  });

  it('builds a command without secrets in argv, in an environment of its own', () => {
    const command = adapter.command({
      settings,
      prompt: 'p',
      limits: DEFAULT_LIMITS,
      worktree: '/w',
      home: '/h',
      secrets: Object.fromEntries(adapter.credentials.map((name) => [name, 'canary'])),
    });
    expect(command.argv.join(' ')).not.toContain('canary');
    expect(command.env).toMatchObject({ HOME: '/h', CI: '1' });
    expect(command.env).not.toHaveProperty('NODE_ENV');
  });

  it('asks at the model door wherever there is one, and nowhere else for what the door has keys for', () => {
    const [modelDoor, baseUrl] = ['http://127.0.0.1:4403', 'http://models.example/v1'];
    const exchanged = adapter.credentials.filter((name) => !adapter.direct?.includes(name));
    const atEndpoint = { ...settings, ...(adapter.credentials.length > 0 && { baseUrl }) };
    const built = JSON.stringify(
      adapter.command({
        ...{ prompt: 'p', limits: DEFAULT_LIMITS, worktree: '/w', home: '/h', modelDoor },
        settings:
          adapter.name === 'opencode' || adapter.name === 'copilot' ? { ...atEndpoint, model: 'a/b' } : atEndpoint,
        secrets: Object.fromEntries(exchanged.map((name) => [name, 'run-token'])),
      }),
    );
    expect(built).not.toContain(baseUrl);
    expect(built.includes(`${modelDoor}/model/`)).toBe(adapter.credentials.length > 0);
  });

  it('parses any output into the one vocabulary, and never throws', () => {
    fc.assert(
      fc.property(anyStream, (stream) => {
        let state = adapter.initial(settings);
        for (const [name, text] of stream) {
          const step = adapter.parse(state, name, text);
          for (const line of step.lines) {
            expect(LOG_KINDS).toContain(line.kind);
            expect(line.text).not.toContain('\0');
          }
          state = step.state;
        }
      }),
    );
  });

  it('goes on from a stored state as if nothing had happened', () => {
    fc.assert(
      fc.property(anyStream, anyStream, (before, after) => {
        const state = folded(adapter, adapter.initial(settings), before);
        const stored = JSON.parse(JSON.stringify(state)) as ParseState;
        expect(folded(adapter, stored, after)).toEqual(folded(adapter, state, after));
      }),
    );
  });

  it('judges any end with an outcome of the closed list', () => {
    fc.assert(
      fc.property(anyStream, anyExit, (stream, exit) => {
        const judged = adapter.judge(folded(adapter, adapter.initial(settings), stream), exit);
        if (judged.verdict === 'ok') return expect(exit).toMatchObject({ code: 0 });
        expect(OUTCOME_KINDS).toContain(judged.outcome?.kind);
        expect(judged.outcome?.detail).not.toBe('');
      }),
    );
  });
});
