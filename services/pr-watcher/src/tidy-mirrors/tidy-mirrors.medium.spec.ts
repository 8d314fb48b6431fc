import { existsSync, readdirSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { aPullRequest } from '@capstan/test-support';
import { ForgeAccess, type RepositoryAccess } from '../forge-access.js';
import { Git } from '../push/git.js';
import { Mirrors } from '../push/mirror.js';
import { Stage } from '../stage.fixture.js';
import { tidyMirrors } from './tidy-mirrors.loop.js';

jest.setTimeout(60_000);

let stage: Stage;
let access: RepositoryAccess;
let directory: string;
let mirrors: Mirrors;
const told: unknown[] = [];

beforeAll(async () => {
  stage = await Stage.open();
  access = await new ForgeAccess(stage.database, stage.vault).of(stage.repository.id, 'fetch');
  directory = join(stage.directory, 'mirrors');
  mirrors = new Mirrors(new Git({ PATH: '/usr/local/bin:/usr/bin:/bin' }), directory);
});
afterAll(() => stage.close());
beforeEach(() => void told.splice(0));

const tidy = () =>
  tidyMirrors({
    database: stage.database,
    mirrors,
    directory,
    logger: { info: (fields: unknown) => told.push(fields) },
  });
const path = () => join(directory, `${stage.repository.id}.git`);
const fetched = () => mirrors.use(access, async (mirror) => (await mirror.update(['main'])).has('main'));
/** What lazily fetched files come to over the months; sparse, so that it costs the test nothing. */
async function grow(): Promise<void> {
  const file = await open(join(path(), 'objects/pack/grown.pack.kept'), 'w');
  await file.truncate(300 * 1_048_576);
  await file.close();
}

it('a mirror that has doubled is made anew, once nobody needs what only it holds', async () => {
  expect(await fetched()).toBe(true);
  await tidy();
  await grow();
  const { run, task } = await stage.finishedRun(await stage.worktree('capstan/tidy'));
  const row = await aPullRequest(stage.database, run, { state: 'publishing' });
  await tidy();
  expect([existsSync(path()), told]).toEqual([true, []]);
  await stage.database.query(`update pull_request set state = 'merged' where id = $1`, [row.id]);
  await stage.database.query(`update task set state = 'completed' where id = $1`, [task.id]);
  let letGo: () => void = () => undefined;
  const reading = mirrors.read(access, () => new Promise<void>((resolve) => (letGo = resolve)));
  await tidy();
  expect([existsSync(path()), told]).toEqual([true, []]);
  letGo();
  await reading;
  expect(await tidy()).toBeGreaterThan(300 * 1_048_576);
  expect(readdirSync(directory)).toEqual([]);
  expect(told).toMatchObject([{ repositoryId: stage.repository.id, step: 'renew' }]);
  expect(await fetched()).toBe(true);
  await tidy();
  expect(await tidy()).toBeLessThan(1_048_576);
  expect(told).toHaveLength(1);
});

it('a mirror in use while it is taken away is there for whoever comes next', async () => {
  await fetched();
  const uses = Array.from({ length: 6 }, (_, index) =>
    index % 2 === 0 ? fetched() : mirrors.discard(stage.repository.id),
  );
  expect(await Promise.all(uses)).toEqual([true, 'applied', true, 'applied', true, 'applied']);
  expect(await fetched()).toBe(true);
});

it('what was set aside by a process that died goes, and so does the mirror of an archived repository', async () => {
  await fetched();
  await mkdir(`${path()}.old-1234abcd/objects`, { recursive: true });
  await stage.database.query('update repository set archived_at = now()');
  await tidy();
  expect(readdirSync(directory)).toEqual([]);
  expect(told).toMatchObject([{ step: 'remove' }]);
});
