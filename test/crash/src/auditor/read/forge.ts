import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ForgeRepository, Issue, Pull } from '../world.js';

const run = promisify(execFile);

/** A repository at the forge, read by git itself and by the public REST API. */
export async function readForge(
  forge: { readonly directory: string; readonly apiUrl: string; readonly token: string },
  fullName: string,
): Promise<ForgeRepository> {
  const directory = join(forge.directory, 'repositories', `${fullName}.git`);
  const git = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await run('git', ['-C', directory, ...args], { maxBuffer: 256 * 1024 * 1024 });
    return stdout.split('\n').filter((line) => line !== '');
  };
  const branches = (await git('for-each-ref', '--format=%(objectname) %(refname:short)', 'refs/heads')).map((line) => ({
    sha: line.slice(0, line.indexOf(' ')),
    name: line.slice(line.indexOf(' ') + 1),
  }));
  const commits = (await git('log', '--reverse', '--format=%H%x09%an%x09%s', 'main')).map((line) => {
    const [sha = '', author = '', ...subject] = line.split('\t');
    return { sha, author, subject: subject.join('\t') };
  });
  const files: Record<string, string> = {};
  for (const path of await git('ls-tree', '--name-only', 'main', 'work/'))
    files[path] = (await run('git', ['-C', directory, 'show', `main:${path}`])).stdout;
  const repository = `/repos/${fullName}`;
  const issues = await pages<RemoteIssue>(forge, `${repository}/issues?state=all`);
  const pulls = await pages<RemotePull>(forge, `${repository}/pulls?state=all`);
  return {
    ...{ fullName, branches, commits, files },
    issues: await Promise.all(
      issues.map(async ({ number, title, state }): Promise<Issue> => {
        const comments = await pages<RemoteComment>(forge, `${repository}/issues/${number}/comments`);
        const said = comments.map(({ id, user, body }) => ({ id, author: user.login, body }));
        return { number, title, state, comments: said.sort((one, other) => one.id - other.id) };
      }),
    ),
    pulls: pulls.map(({ number, head, state, merged_at, merge_commit_sha }): Pull => {
      const merged = merged_at !== null;
      const mergeCommit = merged ? merge_commit_sha : null;
      return { number, branch: head.ref, headSha: head.sha, state, merged, mergeCommit };
    }),
  };
}

interface RemoteIssue {
  readonly number: number;
  readonly title: string;
  readonly state: string;
}
interface RemoteComment {
  readonly id: number;
  readonly user: { readonly login: string };
  readonly body: string;
}
interface RemotePull {
  readonly number: number;
  readonly head: { readonly ref: string; readonly sha: string };
  readonly state: string;
  readonly merged_at: string | null;
  readonly merge_commit_sha: string | null;
}

const PER_PAGE = 100;

async function pages<T>(forge: { readonly apiUrl: string; readonly token: string }, path: string): Promise<T[]> {
  const found: T[] = [];
  for (let page = 1; ; page += 1) {
    const url = `${forge.apiUrl}${path}${path.includes('?') ? '&' : '?'}per_page=${PER_PAGE}&page=${page}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${forge.token}` } });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    const items = (await response.json()) as T[];
    found.push(...items);
    if (items.length < PER_PAGE) return found;
  }
}
