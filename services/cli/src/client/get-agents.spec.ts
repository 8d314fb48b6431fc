import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cliConfig } from '../cli.config.js';
import { runCli } from '../commands.js';

const AGENT = {
  ...{ name: 'codex', title: 'Codex', credentials: ['OPENAI_API_KEY'], options: [], set: [] },
  program: { name: 'codex', package: '@openai/codex', tried: '0.169.0' },
  machines: [
    {
      ...{ host: 'laptop', path: '/usr/bin/codex', version: '0.140.0', older: true, problem: null, logIn: null },
      lookedAt: '2026-01-01T00:00:00.000Z',
    },
  ],
  credentialFrom: 'missing',
  fixes: [
    { words: 'Bring it up to date', command: 'npm install -g @openai/codex@latest' },
    { words: 'Set OPENAI_API_KEY under Secrets', command: null },
  ],
  test: null,
  nextTestAt: null,
};

it('capstan get agents shows where each was found, and what puts right what is wrong', async () => {
  const items = [AGENT, { ...AGENT, name: 'gemini', machines: [{ ...AGENT.machines[0], path: null, version: null }] }];
  const server = createServer((request, response) => {
    const known = request.url === '/api/agents';
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify({ items }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    let out = '';
    const output = { out: (text: string) => void (out += text), err: (text: string) => void (out += text) };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const environment = { CAPSTAN_DATA_DIR: '/nonexistent/capstan', CAPSTAN_URL: url, CAPSTAN_TOKEN: 'capstan_x' };
    expect(await runCli(['get', 'agents'], output, () => cliConfig(environment, '/'))).toBe(0);
    expect(out).toMatch(/codex +0\.140\.0 +\/usr\/bin\/codex +missing/);
    expect(out).toMatch(/gemini +not found +missing/);
    expect(out).toContain('codex  Bring it up to date: npm install -g @openai/codex@latest');
    expect(out).toContain('codex  Set OPENAI_API_KEY under Secrets\n');
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
