import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { aSystem, change, eventually, type System } from '@capstan/test-support';

/** By when everything has to be level again. */
const LEVEL_WITHIN_MS = 30_000;

describe('When every stream and consumer is deleted in mid-run', () => {
  let system: System;
  beforeAll(async () => {
    // Without deliveries nothing but polls and resyncs can make up for what is lost.
    system = await aSystem({
      env: { CAPSTAN_PR_WATCH_INTERVAL_MS: '30000', CAPSTAN_TICKET_POLL_INTERVAL_MS: '30000' },
    });
  });
  afterAll(() => system?.expectNothingLeft());

  it('loses nothing and is level within 30 seconds', async () => {
    const running = await system.task('At work', ['name atwork', 'hold go', ...change('atwork').slice(1)]);
    await system.agent('atwork');
    await deleteStreams();
    const since = performance.now();
    // Announced into the void: what follows is only seen by looking at state.
    const number = await system.ticket('Filed meanwhile', change('meanwhile'));
    system.open('go');
    const filed = await system.taskOf(number);
    const left = () => LEVEL_WITHIN_MS - (performance.now() - since);
    for (const { id } of [running, filed]) await system.untilState(id, 'completed', left());
    await system.untilTicketClosed(number, left());

    expect(await streams()).not.toEqual([]);
    const database = await system.database();
    await eventually(async () => {
      const { rows } = await database.query<{ count: string }>(
        `select (select count(*) from outbox)
              + (select count(*) from effect where state in ('requested','claimed'))
              + (select count(*) from task_request where answered_at is null) as count`,
      );
      return rows[0]!.count === '0';
    }, 10_000);
  });

  it('goes on as usual after it', async () => {
    const number = await system.ticket('Afterwards', change('afterwards'));
    const task = await system.taskOf(number);
    await system.untilState(task.id, 'completed', 30_000);
  });

  async function streams(): Promise<string[]> {
    return withManager(async (manager) => (await manager.streams.list().next()).map(({ config }) => config.name));
  }

  /** Consumers first, then the streams themselves: a consumer can be gone while its stream stays, too. */
  async function deleteStreams(): Promise<void> {
    await withManager(async (manager) => {
      const names = (await manager.streams.list().next()).map(({ config }) => config.name);
      expect(names).not.toEqual([]);
      for (const stream of names) {
        for (const { name } of await manager.consumers.list(stream).next())
          await manager.consumers.delete(stream, name);
        await manager.streams.delete(stream);
      }
    });
  }

  async function withManager<T>(work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>) {
    const connection = await connect(system.natsAccess());
    try {
      return await work(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }
});
