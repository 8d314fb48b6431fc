import { MAX_ROW_ATTEMPTS } from '@capstan/database';
import { ParkedRequests, openLogger } from '@capstan/service-kit';
import { askOfParked, eventually, park, parkedIn } from '@capstan/test-support';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(60_000);

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  stage.startReplica();
  stage.startReplica();
});
afterEach(() => stage.close());

const person = () => stage.tracker.actingAs('ada');
const file = (title: string) =>
  stage.tracker.createIssue(NAME, { title, body: 'sum(1, 2) is -1', labels: ['capstan'], author: 'ada' });
const imported = (count: number) =>
  eventually(async () => {
    await stage.nudge();
    expect(await stage.tickets()).toHaveLength(count);
  });

it('makes one task of a labelled ticket, with its text and what people said, over two replicas', async () => {
  const number = await file('Sum is wrong');
  person().comment(NAME, number, 'It subtracts.');
  await imported(1);
  for (let again = 0; again < 5; again += 1) await stage.nudge();
  await eventually(async () => (await stage.source()).lastPolledAt !== null);
  const [ticket] = await stage.tickets();
  expect(ticket).toMatchObject({
    key: String(number),
    title: 'Sum is wrong',
    body: 'sum(1, 2) is -1',
    author: 'ada',
    state: 'open',
  });
  expect(ticket!.comments).toMatchObject([{ author: 'ada', body: 'It subtracts.' }]);
  expect(await stage.tasks()).toMatchObject([
    { title: 'Sum is wrong', body: 'sum(1, 2) is -1', baseBranch: 'main', ticketId: ticket!.id, state: 'queued' },
  ]);
  const events = await stage.database.query(`select cause from task_event where kind = 'created'`);
  expect(events).toEqual([{ cause: `Ticket #${number} labelled capstan` }]);
});

it('takes what is labelled later, and not what has no label', async () => {
  const number = await stage.tracker.createIssue(NAME, { title: 'Later', author: 'ada' });
  await file('Now');
  await imported(1);
  person().label(NAME, number, 'capstan');
  await imported(2);
  expect((await stage.tasks()).map(({ title }) => title)).toEqual(['Now', 'Later']);
});

it('makes another task of another opening', async () => {
  const number = await file('Again');
  await imported(1);
  person().closeIssue(NAME, number);
  // The tracker's clock counts in seconds.
  const second = Math.floor(Date.now() / 1_000);
  await eventually(() => Math.floor(Date.now() / 1_000) > second);
  await person().reopenIssue(NAME, number);
  await imported(2);
  expect(await stage.tasks()).toHaveLength(2);
});

it('asks a quiet tracker with conditional requests', async () => {
  await file('One');
  await imported(1);
  await eventually(async () => {
    await stage.nudge();
    const polls = stage.tracker.journal.flatMap((entry) =>
      entry.kind === 'request' && entry.path.includes('/issues?') ? [entry.status] : [],
    );
    expect(polls.slice(-2)).toEqual([304, 304]);
  });
});

it('tells a refused credential with its remedy, goes slower, and recovers', async () => {
  const { workspaceId, id: repositoryId } = stage.repository;
  const owner = { workspaceId, repositoryId, name: 'GITHUB_TOKEN' };
  await stage.database.transaction((tx) => stage.vault.put(tx, owner, 'wrong'));
  await eventually(async () => {
    await stage.nudge();
    expect((await stage.source()).lastError).toMatch(/401.*Store a new token/s);
  });
  const refused = await stage.source();
  expect(refused.attempts).toBeGreaterThan(0);
  await stage.database.transaction((tx) =>
    stage.vault.put(tx, owner, stage.tracker.createToken({ login: 'capstan-bot' })),
  );
  await file('After');
  await imported(1);
  await eventually(async () => {
    expect(await stage.source()).toMatchObject({ lastError: null, attempts: 0 });
  });
});

it('keeps the etag back until everything that it stands for is imported', async () => {
  await file('First');
  const undo = stage.tracker.inject({ method: 'GET', path: /\/comments/, status: 404, times: Infinity });
  await eventually(async () => {
    await stage.nudge();
    expect((await stage.source()).lastError).not.toBeNull();
  });
  undo();
  await imported(1);
});

it('takes tickets whose text no database keeps, with a title of one line, and what comes behind them', async () => {
  await file('Bad\u0000 \ud800 text\r\nSecond line');
  const long = await file('x'.repeat(1_000));
  await file('Good');
  await imported(3);
  const titles = (await stage.tasks()).map(({ title }) => title);
  expect(titles.sort()).toEqual(['Bad\uFFFD \uFFFD text Second line', 'Good', `${'x'.repeat(299)}…`]);
  expect((await stage.tickets()).find(({ key }) => key === String(long))?.title).toHaveLength(1_000);
});

it('is not held up by one ticket that can not be taken', async () => {
  const bad = await file('Bad');
  stage.tracker.inject({ method: 'GET', path: new RegExp(`/issues/${bad}/comments`), status: 410, times: 50 });
  await file('Good');
  await imported(1);
  expect((await stage.tasks()).map(({ title }) => title)).toEqual(['Good']);
  await eventually(async () => (await stage.source()).lastError !== null);
});

describe('a source whose polls fail', () => {
  /** As often as it may fail for no known reason, less so many times. */
  const nearTheCap = (times: number) =>
    stage.database.query('update ticket_source set attempts = $1, surprises = $1', [MAX_ROW_ATTEMPTS - times]);
  const unreadable = (answer: { status: number; body?: unknown }) =>
    stage.tracker.inject({ method: 'GET', path: /\/issues\?/, times: Infinity, ...answer });

  it('is parked at the cap when nobody knows why, rests, and takes it up when it is replayed', async () => {
    const undo = unreadable({ status: 200, body: [{ number: 1, state: 'open' }] });
    await nearTheCap(2);
    await eventually(async () => {
      await stage.nudge();
      expect((await stage.source()).parkedAt).not.toBeNull();
    }, 20_000);
    expect(await stage.source()).toMatchObject({ attempts: MAX_ROW_ATTEMPTS, lastError: expect.any(String) });
    expect(await parkedIn(stage.database)).toEqual([{ kind: 'ticket_source', id: stage.sourceId }]);
    undo();
    await file('Later');
    const polls = stage.tracker.journal.length;
    for (let again = 0; again < 3; again += 1) await stage.nudge();
    expect(stage.tracker.journal.length).toBe(polls);
    expect(await ask('replay')).toMatchObject({ applied: true, code: 'replayed' });
    await eventually(async () => expect(await stage.tickets()).toHaveLength(1), 10_000);
    expect(await stage.source()).toMatchObject({ parkedAt: null, attempts: 0, surprises: 0, lastError: null });
  });

  it('is switched off when it is dropped', async () => {
    await park(stage.database, 'ticket_source', stage.sourceId);
    expect(await ask('drop')).toMatchObject({ applied: true, code: 'dropped' });
    expect(await stage.source()).toMatchObject({ enabled: false, parkedAt: null, lastError: expect.any(String) });
    expect(await parkedIn(stage.database)).toEqual([]);
  });

  it.each([
    ['the tracker is away', { status: 502 }],
    ['its credential is refused', { status: 401 }],
  ])('is never parked while %s', async (_why, answer) => {
    unreadable(answer);
    await nearTheCap(1);
    await eventually(async () => {
      await stage.nudge();
      expect((await stage.source()).attempts).toBeGreaterThan(MAX_ROW_ATTEMPTS);
    }, 20_000);
    expect(await stage.source()).toMatchObject({ parkedAt: null, surprises: 0, lastError: expect.any(String) });
  });

  const ask = (action: 'replay' | 'drop') => {
    const logger = openLogger({ format: 'text', level: 'silent' });
    const owner = new ParkedRequests({ database: stage.database, logger, owner: 'ticket-sync', verbs: stage.parked });
    const { workspaceId } = stage.repository;
    return askOfParked(stage.database, owner, { workspaceId, kind: 'ticket_source', rowId: stage.sourceId, action });
  };
});
