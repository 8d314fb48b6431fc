import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import type { ForgeConnection, PullRequestView } from '../forge.port.js';
import { createGitHubForge } from './github.adapter.js';

const GRANTS = { contents: 'write', pull_requests: 'write', issues: 'write', statuses: 'read' } as const;

describe('a private repository with a fine-grained token, which may not read checks', () => {
  let directory: string;
  let double: GitHubDouble;
  let connection: ForgeConnection;
  let head: { readonly number: number; readonly sha: string };
  let count = 0;
  const git = createGitHubForge();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'capstan-jobs-'));
    double = await startGitHubDouble({ dir: directory });
    await double.createRepository('acme/app', { files: { a: 'a\n' }, private: true });
  });
  beforeEach(async () => {
    count += 1;
    const ada = double.actingAs('ada');
    const sha = await ada.pushFile('acme/app', `work-${count}`, `file-${count}`, 'x\n');
    const number = await ada.openPullRequest('acme/app', { title: 'T', head: `work-${count}`, base: 'main' });
    head = { number, sha };
    connection = at({ ...GRANTS, actions: 'read' });
    await eventually(async () => expect((await view()).pullRequest.mergeable).toBe(true));
  });
  afterEach(() => double.branchRules('acme/app', 'main', {}));
  afterAll(async () => {
    await double.close();
    await rm(directory, { recursive: true, force: true });
    expect(double.faultsOfOurs).toEqual([]);
  });

  const at = (grants: Readonly<Record<string, 'read' | 'write'>>): ForgeConnection => ({
    ...{ fullName: 'acme/app', apiUrl: double.apiUrl, cloneUrl: `${double.url}/acme/app.git` },
    token: double.createToken({ login: 'bot', grants }),
  });
  const view = (): Promise<PullRequestView> => git.view(connection, head.number);
  const seen = async () => {
    const { checks, missingRequired } = await view();
    if (!checks.known || !missingRequired.known) throw new Error('not known');
    return [...checks.value.map(({ name, state }) => `${name} ${state}`), ...missingRequired.value];
  };
  async function report(name: string, conclusion: string | null, externalId = ''): Promise<void> {
    const answer = await fetch(`${double.apiUrl}/repos/acme/app/check-runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${double.createToken({ login: 'ci' })}` },
      body: JSON.stringify({
        ...{ name, head_sha: head.sha, external_id: externalId },
        ...(conclusion === null ? { status: 'in_progress' } : { status: 'completed', conclusion }),
      }),
    });
    expect(answer.status).toBe(201);
  }

  it('shows jobs as they are, the latest of each, with what failed in them', async () => {
    expect(await seen()).toEqual([]);
    await report('test', 'failure');
    await report('lint', null);
    expect(await seen()).toEqual(['lint pending', 'test failure']);
    const { checks } = await view();
    expect(checks.known && checks.value[1]).toMatchObject({ source: 'check_run', summary: 'Failed: Run test' });
    await report('test', 'success');
    await report('lint', 'skipped');
    await double.actingAs('ada').setStatus('acme/app', head.sha, 'deploy', 'success');
    expect(await seen()).toEqual(['deploy success', 'lint skipped', 'test success']);
  });

  it('waits for what it can not see, until GitHub says that everything is green', async () => {
    await report('test', 'success');
    for (const conclusion of [null, 'failure']) {
      await report('elsewhere', conclusion, 'another-app');
      expect(await seen()).toEqual(['test success', 'checks that the token may not see pending']);
    }
    await report('elsewhere', 'success', 'another-app');
    expect(await seen()).toEqual(['test success']);
  });

  it('counts a required check that it can not see as there once GitHub does', async () => {
    double.branchRules('acme/app', 'main', { requiredChecks: ['elsewhere', 'test'] });
    await report('test', 'success');
    expect(await seen()).toEqual(['test success', 'elsewhere']);
    await report('elsewhere', 'success', 'another-app');
    await eventually(async () => expect(await seen()).toEqual(['test success']));
  });

  it('knows nothing without the permission for jobs', async () => {
    connection = at(GRANTS);
    await report('test', 'success');
    const { checks, missingRequired } = await view();
    expect(checks).toMatchObject({ known: false, reason: expect.stringContaining('checks=read') as string });
    expect(missingRequired.known).toBe(false);
  });

  it('takes a workflow whose jobs are still to come, or never came, for what it is', async () => {
    await report('test', 'success');
    const runs = /\/actions\/runs\?/;
    const body = (run: object) => ({ total_count: 1, workflow_runs: [{ id: 7, name: 'CI', html_url: 'u', ...run }] });
    const told = async (run: object, jobs: readonly object[]) => {
      const undo = [
        double.inject({ path: runs, status: 200, body: body(run) }),
        double.inject({ path: /\/actions\/runs\/7\/jobs/, status: 200, body: { total_count: 1, jobs } }),
      ];
      const shown = await seen();
      for (const each of undo) each();
      return shown;
    };
    const done = { id: 8, name: 'test', status: 'completed', conclusion: 'success', html_url: 'u', steps: [] };
    expect(await told({ status: 'in_progress', conclusion: null }, [done])).toEqual(['CI pending', 'test success']);
    expect(await told({ status: 'queued', conclusion: null }, [])).toEqual(['CI pending']);
    expect(await told({ status: 'completed', conclusion: 'startup_failure' }, [])).toEqual(['CI failure']);
    expect(await told({ status: 'completed', conclusion: 'success' }, [done])).toEqual(['test success']);
  });
});
