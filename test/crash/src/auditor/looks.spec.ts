import type { JournalEntry } from '@capstan/test-support';
import { looks } from './laws/looks.js';
import { aRightWorld, GREEN, type Writable } from './world.fixture.js';

type Request = Writable<Extract<JournalEntry, { kind: 'request' }>>;

const world = aRightWorld();
const MERGE = world.journal.find(
  (entry): entry is Request => entry.kind === 'request' && entry.path.endsWith('/merge'),
)!;
const PULL = MERGE.path.slice(0, -'/merge'.length);
const LIST = PULL.slice(0, PULL.lastIndexOf('/'));
const later = (ms: number, change: Partial<Request> = {}): Request => ({
  ...MERGE,
  at: MERGE.at + ms,
  receivedAt: MERGE.receivedAt + ms,
  ...change,
});
const read = (ms: number, path: string) => later(ms, { method: 'GET', path });
const broken = (...more: Request[]) => looks({ ...world, journal: [...world.journal, ...more] });

it('sees a merge that was tried again without a look', () => {
  expect(broken(later(2_000))).toEqual([
    expect.objectContaining({ what: `PUT ${MERGE.path} was tried again unlooked` }),
  ]);
  const another = encodeURIComponent('acme:capstan/another');
  expect(broken(read(1_000, `${LIST}?state=all&head=${another}`), later(2_000))).toHaveLength(1);
});

it.each([
  ['at it', PULL],
  ['at the pull requests of its branch', `${LIST}?state=all&head=${encodeURIComponent(`acme:${GREEN.branch}`)}`],
])('takes a look %s for one, also when the forge was not done with the first by then', (_, path) => {
  expect(broken(read(1_000, path), later(2_000))).toEqual([]);
  const first = { ...MERGE, at: MERGE.at + 1_500 };
  expect(looks({ ...world, journal: [read(1_000, path), first, later(2_000)] })).toEqual([]);
});

it('knows a test of a permission from a pull request: no forge makes one of a branch against itself', () => {
  const asked = (ms: number, head: string) =>
    later(ms, {
      method: 'POST',
      path: LIST,
      status: 422,
      body: { head, base: 'main', title: 'A test of a permission' },
    });
  expect(broken(asked(1_000, 'main'), asked(2_000, 'main'))).toEqual([]);
  expect(broken(asked(1_000, 'capstan/x'), asked(2_000, 'capstan/x'))).toHaveLength(1);
});
