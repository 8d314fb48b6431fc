import { TransientError, UserError } from '@capstan/domain';
import { agent } from '@capstan/agents';
import { agentSecrets, isPrepareGivenUp, prepareFailure } from './agent-launch.js';
import { egressEnvironment, gitEnvironment, gitRemote } from './egress-access.js';

it.each([
  ['fetch_refused', 'credential_refused', new UserError('the forge said 403', { code: 'fetch_refused' })],
  ['prepare_failed', 'failed', new UserError('the repository has no branch main', { code: 'base_branch_missing' })],
  ['prepare_failed', 'failed', new TransientError('no route to host', { code: 'fetch_failed' })],
])('a worktree that can not be had ends the run as %s', (symptom, kind, error) => {
  expect(prepareFailure(error)).toEqual({
    kind,
    symptom,
    detail: `The worktree could not be prepared: ${error.message}`,
  });
});

it.each([
  ['never for a refusal', new UserError('no', { code: 'fetch_refused' }), 1, 0, true],
  ['for two minutes while the forge is away', new TransientError('503', { code: 'fetch_failed' }), 40, 119_000, false],
  ['no longer than that', new TransientError('503', { code: 'fetch_failed' }), 41, 120_000, true],
  ['twice more for what the pod says', new TransientError('locked', { code: 'locked' }), 2, 1_000, false],
  ['and then no more', new TransientError('locked', { code: 'locked' }), 3, 2_000, true],
])('a preparation is tried again: %s', (_when, error, attempt, elapsedMs, givenUp) => {
  expect(isPrepareGivenUp(error, attempt, elapsedMs)).toBe(givenUp);
});

describe('what an agent is given for a secret', () => {
  const token = 'cap_run_spec';
  const given = (name: string, stored: Readonly<Record<string, string>>) =>
    agentSecrets(agent(name), { token }, (secret) => Promise.resolve(stored[secret] ?? null));

  it('is the token of its run in place of a key, and a choice as it is', async () => {
    const stored = { ANTHROPIC_API_KEY: 'sk-ant-canary', CLAUDE_AUTH_MODE: 'api-key' };
    expect(await given('claude-code', stored)).toEqual({ ANTHROPIC_API_KEY: token, CLAUDE_AUTH_MODE: 'api-key' });
  });

  it('is the key itself only for a program that takes it to its provider by itself', async () => {
    const stored = { COPILOT_GITHUB_TOKEN: 'github_pat_canary', OPENAI_API_KEY: 'sk-canary' };
    expect(await given('copilot', stored)).toEqual({
      COPILOT_GITHUB_TOKEN: 'github_pat_canary',
      OPENAI_API_KEY: token,
    });
  });

  it('is asked for by name where none is set', async () => {
    await expect(given('codex', {})).rejects.toMatchObject({ code: 'credential_missing', field: 'OPENAI_API_KEY' });
  });
});

it('the proxies of an agent are egress, with the token of its run, and its own hosts are reached without', () => {
  const proxy = 'http://run:cap_run_a_b-c@127.0.0.1:4403';
  expect(egressEnvironment({ url: 'http://127.0.0.1:4403', token: 'cap_run_a_b-c' })).toEqual({
    ...{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy },
    ...{ NO_PROXY: 'localhost,127.0.0.1,::1', no_proxy: 'localhost,127.0.0.1,::1' },
    NODE_USE_ENV_PROXY: '1',
  });
});

describe('git', () => {
  const egress = { url: 'http://egress.capstan:4403', token: 'cap_run_a_b-c' };
  const authorization = `Basic ${Buffer.from('run:cap_run_a_b-c').toString('base64')}`;

  it('asks the git door for what it would ask the forge for, with the token of the run', () => {
    const remoteUrl = 'http://egress.capstan:4403/git/acme/anvil.git';
    expect(gitRemote(egress, 'https://git.example:8443/acme/anvil.git')).toEqual({ remoteUrl, authorization });
    expect(gitEnvironment(egress, 'https://git.example:8443/acme/anvil.git')).toEqual({
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'url.http://egress.capstan:4403/git/.insteadOf',
      GIT_CONFIG_VALUE_0: 'https://git.example:8443/',
      GIT_CONFIG_KEY_1: 'http.http://egress.capstan:4403/git/.extraHeader',
      GIT_CONFIG_VALUE_1: `Authorization: ${authorization}`,
    });
  });

  it('reaches the door without the proxy that the door itself is', () => {
    expect(egressEnvironment(egress)['NO_PROXY']).toBe('localhost,127.0.0.1,::1,egress.capstan');
  });

  it('gives nothing away for a repository that lies in the pod', () => {
    expect(gitRemote(egress, '/srv/anvil.git')).toEqual({ remoteUrl: '/srv/anvil.git' });
    expect(gitEnvironment(egress, '/srv/anvil.git')).toEqual({});
  });
});
