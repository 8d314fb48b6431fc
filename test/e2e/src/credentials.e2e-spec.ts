import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Credential } from '@capstan/api';
import { aSystem, eventually, type System } from '@capstan/test-support';

const KEY = 'spec-key-6f1b0d9c8a7e4523';

describe('What providers say of credentials', () => {
  let system: System;
  let models: Server;
  /** What the model endpoint answers to whoever asks. */
  let answer = { status: 200, body: {} as object };

  beforeAll(async () => {
    models = createServer((_request, response) => {
      response.statusCode = answer.status;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => models.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(models.address() as AddressInfo).port}/v1`;
    system = await aSystem({
      repositories: [
        { fullName: 'acme/app' },
        { fullName: 'acme/codex', settings: { agent: { agent: 'codex', baseUrl }, credentialSecret: 'CODEX_TOKEN' } },
      ],
    });
  });
  afterAll(async () => {
    await system?.expectNothingLeft();
    models.close();
  });

  const credential = async (name: string): Promise<Credential | undefined> =>
    (await system.get<{ items: Credential[] }>('/api/auth/status')).items.find((each) => each.name === name);
  const until = (name: string, expected: object): Promise<Credential> =>
    eventually(async () => {
      const found = await credential(name);
      expect(found).toMatchObject(expected);
      return found!;
    }, 20_000);
  async function verify(name: string): Promise<{ status: number; retryAfter: number; text: string }> {
    const response = await fetch(`${system.capstan.url}/api/secrets/${name}/verify`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.capstan.token}` },
    });
    return {
      status: response.status,
      retryAfter: Number(response.headers.get('retry-after')),
      text: await response.text(),
    };
  }

  it('are the forge’s for a repository’s token, and the endpoint’s for a key', async () => {
    await until('GITHUB_TOKEN', {
      ...{ state: 'valid', provider: 'GitHub', repositoryId: system.repositoryId(), checking: false },
      checks: [{ subject: 'acme/app', state: 'valid' }],
    });
    await until('OPENAI_API_KEY', { state: 'missing', neededBy: [{ repository: 'acme/codex', agent: 'Codex' }] });
    await system.capstan.call('PUT', '/api/secrets/OPENAI_API_KEY', { value: KEY });
    await until('OPENAI_API_KEY', { state: 'valid', words: null, neededBy: [{ repository: 'acme/codex' }] });
  });

  it('are asked for by Verify, at most once a minute, and come back without the key', async () => {
    answer = { status: 401, body: { error: { message: `Incorrect API key provided: ${KEY}` } } };
    const first = await verify('OPENAI_API_KEY');
    expect([200, 202]).toContain(first.status);
    const refused = await until('OPENAI_API_KEY', { state: 'refused', words: 'Incorrect API key provided: ***' });
    expect(+new Date(refused.nextVerifyAt!)).toBeGreaterThan(+new Date(refused.checkedAt!));
    const second = await verify('OPENAI_API_KEY');
    expect([second.status, second.retryAfter > 0, second.retryAfter <= 60]).toEqual([429, true, true]);
    expect(first.text + second.text).not.toContain(KEY);
  });

  it('tell a token that only reads from one that may push, when it is replaced', async () => {
    const value = system.forge.createToken({ login: 'reader', permissions: 'read' });
    await system.capstan.call('PUT', '/api/secrets/GITHUB_TOKEN', { value, repositoryId: system.repositoryId() });
    await until('GITHUB_TOKEN', { state: 'scope_too_narrow', words: expect.stringContaining('push is needed') });
    const unknown = { value: 'ghp_nobodyKnowsThisOne0000000000000000', repositoryId: system.repositoryId() };
    await system.capstan.call('PUT', '/api/secrets/GITHUB_TOKEN', unknown);
    await until('GITHUB_TOKEN', { state: 'refused', words: 'Bad credentials' });
  });
});
