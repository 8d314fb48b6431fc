import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AGENT_NAMES, agent } from '../registry.js';
import { installCommand, type LogIn } from './log-in.js';
import { readLogIn } from './read-log-in.js';

const NOW = Date.parse('2026-11-22T00:00:00Z');
const PINS = new URL('../../../../test/agents/clis/package.json', import.meta.url);
const homes: string[] = [];

afterAll(() => {
  for (const home of homes) rmSync(home, { recursive: true });
});

/** What an agent's log-in is in a home that holds these files. */
async function inHome(name: string, files: Readonly<Record<string, unknown>>): Promise<LogIn | null> {
  const home = mkdtempSync(join(tmpdir(), 'home-'));
  homes.push(home);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return readLogIn(agent(name).program!, home, NOW);
}

const CLAUDE = '.claude/.credentials.json';
const account = (expiresAt?: number) => ({
  claudeAiOauth: { accessToken: 'sk-ant-oat01-own', refreshToken: 'never', expiresAt, subscriptionType: 'max' },
});

describe('a log-in on this machine', () => {
  it.each([
    ['claude-code', { [CLAUDE]: account(NOW + 3_600_000) }, { CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-own' }],
    ['claude-code', { [CLAUDE]: account() }, { CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-own' }],
    ['claude-code', { '.claude.json': { primaryApiKey: 'sk-ant-console' } }, { ANTHROPIC_API_KEY: 'sk-ant-console' }],
    ['codex', { '.codex/auth.json': { OPENAI_API_KEY: ' sk-own\n', tokens: null } }, { OPENAI_API_KEY: 'sk-own' }],
    ['gemini', { '.gemini/.env': 'A=1\nexport GEMINI_API_KEY="AIza-own"\n' }, { GEMINI_API_KEY: 'AIza-own' }],
    [
      'opencode',
      {
        '.local/share/opencode/auth.json': {
          anthropic: { type: 'oauth', access: 'x' },
          google: { type: 'api', key: 'AIza-own' },
          openai: { type: 'api', key: 'sk-own' },
        },
      },
      { GEMINI_API_KEY: 'AIza-own', OPENAI_API_KEY: 'sk-own' },
    ],
  ])('of %s stands in for a secret', async (name, files, keys) => {
    const logIn = await inHome(name, files);
    expect(logIn).toMatchObject({ state: 'usable', keys, remedy: null });
    for (const value of Object.values(keys)) expect(logIn!.words).not.toContain(value);
  });

  it('of Claude Code that has expired, or will within a minute, names the command that renews it', async () => {
    for (const at of [NOW - 1, NOW + 30_000])
      expect(await inHome('claude-code', { [CLAUDE]: account(at) })).toMatchObject({
        state: 'expired',
        keys: {},
        remedy: { command: 'claude -p OK' },
      });
  });

  it.each([
    ['claude-code', { [CLAUDE]: '{"claudeAi' }, 'no account of Claude that Capstan understands'],
    ['codex', { '.codex/auth.json': { OPENAI_API_KEY: null, tokens: { access_token: 'x' } } }, 'An account of ChatGPT'],
    [
      'codex',
      { '.codex/auth.json': { auth_mode: 'chatgpt', OPENAI_API_KEY: 'sk-of-the-account', tokens: {} } },
      'An account of ChatGPT',
    ],
    ['codex', { '.codex/auth.json': 'no json' }, 'It holds no API key'],
    ['gemini', { '.gemini/oauth_creds.json': { access_token: 'x' } }, 'An account of Google'],
    ['opencode', { '.local/share/opencode/auth.json': { openai: { type: 'oauth' } } }, 'It holds no API key'],
    ['copilot', { '.copilot/config.json': { logged_in_users: [{ login: 'o' }] } }, 'could push to your repositories'],
    ['copilot', { '.config/gh/hosts.yml': 'github.com:\n  oauth_token: gho_x\n' }, 'could push to your repositories'],
  ])('of %s that is of no use is said with the remedy', async (name, files, words) => {
    const logIn = await inHome(name, files);
    expect(logIn).toMatchObject({ state: 'unusable', words: expect.stringContaining(words), keys: {} });
    expect(logIn!.remedy!.words).not.toBe('');
  });

  it('is none where its program has left nothing, or nothing of a log-in', async () => {
    for (const name of AGENT_NAMES) if (agent(name).program) expect(await inHome(name, {})).toBeNull();
    expect(await inHome('claude-code', { '.claude.json': { projects: {} } })).toBeNull();
    expect(await inHome('copilot', { '.copilot/config.json': { banner: 'never' } })).toBeNull();
    expect(await inHome('gemini', { '.gemini/.env': 'GEMINI_API_KEY=\n' })).toBeNull();
  });

  it('that is no file is said, and read by nobody', async () => {
    expect(await inHome('codex', { '.codex/auth.json/x': '' })).toMatchObject({
      state: 'unusable',
      words: expect.stringContaining("can't be read"),
    });
  });
});

describe('a program', () => {
  const pins = (JSON.parse(readFileSync(PINS, 'utf8')) as { dependencies: Record<string, string> }).dependencies;

  it.each(AGENT_NAMES.flatMap((name) => agent(name).program ?? []))(
    'was tried in the version that is installed for the test of it: $name',
    (program) => {
      expect(pins[program.package]).toBe(program.tried);
      expect(installCommand(program)).toBe(`npm install -g ${program.package}@latest`);
    },
  );
});
