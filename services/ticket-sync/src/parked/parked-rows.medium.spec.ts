import { ParkedRequests, openLogger } from '@capstan/service-kit';
import type { Effect, Ticket } from '@capstan/database';
import { askOfParked, eventually, park, parkedIn } from '@capstan/test-support';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(60_000);

let stage: Stage;
let ticket: Ticket;
let comment: Effect;
const logger = openLogger({ format: 'text', level: 'silent' });

/** A ticket whose first comment failed at its cap. */
beforeEach(async () => {
  stage = await Stage.open();
  await stage.database.query(`create function hold() returns trigger language plpgsql as $$ begin
    new.attempts := 8; new.parked_at := now(); new.last_error := 'the tracker was away'; return new; end $$`);
  await stage.database.query(
    `create trigger hold before insert on effect for each row when (new.key like '%picked_up') execute function hold()`,
  );
  stage.startReplica();
  await stage.tracker.createIssue(NAME, { title: 'Sum is wrong', labels: ['capstan'], author: 'ada' });
  await eventually(async () => {
    await stage.nudge();
    [comment] = (await stage.database.query<Effect>('select * from effect')) as [Effect];
    return comment !== undefined;
  }, 20_000);
  [ticket] = (await stage.tickets()) as [Ticket];
});
afterEach(() => stage.close());

const ask = (kind: 'effect' | 'ticket', rowId: string, action: 'replay' | 'drop') => {
  const owner = new ParkedRequests({ database: stage.database, logger, owner: 'ticket-sync', verbs: stage.parked });
  const effect = kind === 'effect' ? { effectKind: comment.kind } : {};
  return askOfParked(stage.database, owner, { workspaceId: ticket.workspaceId, kind, rowId, action, ...effect });
};
const ended = async () => {
  await stage.moveTask('failed', { code: 'agent_failed', detail: 'x' });
  stage.wake();
};

describe('a parked comment', () => {
  it('is said at once when it is replayed', async () => {
    expect(await parkedIn(stage.database)).toEqual([{ kind: 'effect', id: comment.id }]);
    expect(await ask('effect', comment.id, 'replay')).toMatchObject({ applied: true });
    await eventually(() => stage.comments().length === 1, 10_000);
    expect(stage.comments()[0]).toContain('picked this up');
  });

  it('is never said when it is dropped, and the later ones are', async () => {
    expect(await ask('effect', comment.id, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
    expect((await stage.tickets())[0]!.lastError).toContain('Dropped by a person');
    await ended();
    await eventually(() => stage.comments().length === 1, 15_000);
    expect(stage.comments()[0]).toContain('The task failed');
    expect(await parkedIn(stage.database)).toEqual([]);
  });
});

describe('a parked ticket', () => {
  beforeEach(async () => {
    await ask('effect', comment.id, 'drop');
    await park(stage.database, 'ticket', ticket.id);
    await ended();
  });

  it('is reported on at once when it is replayed', async () => {
    expect(await parkedIn(stage.database)).toEqual([{ kind: 'ticket', id: ticket.id }]);
    expect(await ask('ticket', ticket.id, 'replay')).toMatchObject({ applied: true });
    await eventually(() => stage.comments().length === 1, 10_000);
  });

  it('has nothing more said on it when it is dropped', async () => {
    expect(await ask('ticket', ticket.id, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
    expect((await stage.tickets())[0]).toMatchObject({ parkedAt: null, reported: expect.arrayContaining(['closed']) });
    expect(await parkedIn(stage.database)).toEqual([]);
  });
});
