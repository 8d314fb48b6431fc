import { randomUUID } from 'node:crypto';
import { newId, requestOfParkedRow, type Outbox, type ParkedRequest } from '@capstan/database';
import { repositoryChanged, type PayloadOf } from '@capstan/events';
import { SPEC, aRepository, eventually, parkedIn } from '@capstan/test-support';
import { testHost, type TestHost } from '../host/host.fixture.js';

type Changed = PayloadOf<typeof repositoryChanged>;

let at: TestHost;
let got: Changed[];

beforeEach(async () => {
  at = await testHost({ ownBroker: true });
  got = [];
  await at.host.broker.tail([repositoryChanged], (_event, payload) => got.push(payload as Changed));
});
afterEach(() => at.close());

const changed = (): Changed => ({ workspaceId: randomUUID(), repositoryId: randomUUID(), version: 1 });
const emit = (...payloads: Changed[]) =>
  at.host.database.transaction(async (tx) => {
    for (const payload of payloads) await tx.emit(repositoryChanged, payload);
  });
const rows = async () =>
  (await at.host.database.query<{ count: number }>('select count(*)::int as count from outbox'))[0]!.count;
const seen = (payload: Changed) => got.some(({ repositoryId }) => repositoryId === payload.repositoryId);

describe('relay', () => {
  it('publishes at once after the commit, and forgets the row after the acknowledgement', async () => {
    const payload = changed();
    const began = performance.now();
    await emit(payload);
    await eventually(() => seen(payload));
    // A sweep takes rows of a second ago: this can only have been the wake in memory.
    expect(performance.now() - began).toBeLessThan(900);
    await eventually(async () => (await rows()) === 0);
    expect(got).toHaveLength(1);
  });

  it('publishes nothing of a transaction that was rolled back', async () => {
    await expect(
      at.host.database.transaction(async (tx) => {
        await tx.emit(repositoryChanged, changed());
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    const after = changed();
    await emit(after);
    await eventually(() => seen(after));
    expect(got).toHaveLength(1);
  });

  it('takes what a dead sibling left', async () => {
    const payload = changed();
    await at.host.database.query(
      `insert into outbox (id, event, subject, payload, created_at) values ($1, $2, $3, $4, now() - interval '5 s')`,
      [newId(), repositoryChanged.name, repositoryChanged.subject(payload), payload],
    );
    await eventually(() => seen(payload), 4_000);
    await eventually(async () => (await rows()) === 0);
  });

  it('parks an event that the broker never takes, and goes on with the others', async () => {
    const { database } = at.host;
    const poison = newId();
    const age = () =>
      database.query(`update outbox set created_at = now() - interval '5 s', not_before = null, claimed_until = null`);
    await database.query(`insert into outbox (id, event, subject, payload) values ($1, $2, $3, $4)`, [
      poison,
      repositoryChanged.name,
      repositoryChanged.subject(changed()),
      { ...changed(), padding: 'x'.repeat(2_000_000) },
    ]);
    await eventually(async () => {
      await age();
      return (await parkedIn(database)).some(({ id }) => id === poison);
    }, 30_000);
    const [row] = await database.query<Outbox>('select * from outbox where id = $1', [poison]);
    expect(row).toMatchObject({ attempts: 8, lastErrorCode: 'event_refused' });
    const others = changed();
    await emit(others);
    await eventually(() => seen(others));
    // Its owner is the relay, which looks each second.
    const { workspaceId } = await aRepository(database);
    const ask = { workspaceId, kind: 'outbox', rowId: poison, effectKind: null, reason: null, actor: SPEC } as const;
    await database.transaction((tx) => requestOfParkedRow(tx, { ...ask, action: 'drop' }));
    await eventually(async () => (await rows()) === 0, 10_000);
    expect(await parkedIn(database)).toEqual([]);
  }, 60_000);

  it('publishes a parked event that is replayed', async () => {
    const { database } = at.host;
    const payload = changed();
    const id = newId();
    await database.query(
      `insert into outbox (id, event, subject, payload, attempts, parked_at, created_at)
       values ($1, $2, $3, $4, 8, now(), now() - interval '5 s')`,
      [id, repositoryChanged.name, repositoryChanged.subject(payload), payload],
    );
    const { workspaceId } = await aRepository(database);
    const ask = { workspaceId, kind: 'outbox', rowId: id, effectKind: null, reason: null, actor: SPEC } as const;
    const asked = await database.transaction((tx) => requestOfParkedRow(tx, { ...ask, action: 'replay' }));
    await eventually(() => seen(payload), 10_000);
    const [request] = await database.query<ParkedRequest>('select * from parked_request where id = $1', [asked.id]);
    expect(request!.answer).toMatchObject({ applied: true, code: 'replayed' });
  });

  it('loses nothing while the broker is away: the rows stay, and go when it is back', async () => {
    await at.nats?.kill();
    await eventually(() => !at.host.broker.status().connected);
    const payloads = Array.from({ length: 30 }, changed);
    await emit(...payloads.slice(0, 20));
    for (const payload of payloads.slice(20)) await emit(payload);
    expect(await rows()).toBe(30);
    const metrics = await at.host.metrics.render();
    expect(metrics).toContain('capstan_outbox_rows 30');
    await at.nats?.start();
    await eventually(() => payloads.every(seen), 15_000);
    await eventually(async () => (await rows()) === 0);
  }, 30_000);

  it('loses nothing when the broker dies in the middle', async () => {
    const payloads = Array.from({ length: 300 }, changed);
    const emitting = (async () => {
      for (const payload of payloads) await emit(payload);
    })();
    await eventually(() => got.length > 20);
    await at.nats?.kill();
    await emitting;
    await at.nats?.start();
    await eventually(() => payloads.every(seen), 25_000);
    await eventually(async () => (await rows()) === 0, 15_000);
  }, 60_000);
});
