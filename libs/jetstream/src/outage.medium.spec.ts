import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { Controller } from '@nestjs/common';
import { logHead, runStart, taskChanged, taskCreated, type PayloadOf } from '@capstan/events';
import { eventually, ownNats, type OwnNats } from '@capstan/test-support';
import { connectBroker, type Broker } from './broker.js';
import { Handles } from './handles.js';
import { startHandlers, type TestService } from './transport.fixture.js';

type TaskCreated = PayloadOf<typeof taskCreated>;
const task = (): TaskCreated => ({ workspaceId: randomUUID(), taskId: randomUUID(), repositoryId: randomUUID() });

/** Whatever was lost, everything flows again within this. ms */
const LEVEL_WITHIN_MS = 5_000;

let nats: OwnNats;
let broker: Broker;
let service: TestService | undefined;
let seen: string[];

@Controller()
class Handlers {
  @Handles(taskCreated)
  async created({ taskId }: TaskCreated): Promise<void> {
    seen.push(taskId);
  }

  @Handles(runStart, { capacity: () => 2 })
  async start({ runId }: PayloadOf<typeof runStart>): Promise<void> {
    seen.push(runId);
  }
}

beforeEach(async () => {
  seen = [];
  nats = await ownNats();
  broker = await connectBroker({ url: nats.url, name: 'spec' });
});

afterEach(async () => {
  await service?.close();
  service = undefined;
  await broker.close();
  await nats.close();
});

const start = async () => (service = await startHandlers(broker, [Handlers], [taskCreated, runStart]));

/** Publishes one event, trying again as the relay does, and waits until its handler saw it. */
async function flows(withinMs: number): Promise<void> {
  const payload = task();
  const run = { workspaceId: randomUUID(), taskId: randomUUID(), runId: randomUUID() };
  const send = () =>
    Promise.all([
      broker.publish(taskCreated, payload, { id: payload.taskId }),
      broker.publish(runStart, run, { id: run.runId }),
    ]).then(() => true);
  await eventually(() => send().catch(() => false), withinMs);
  await eventually(() => seen.includes(payload.taskId) && seen.includes(run.runId), withinMs);
}

const manager = () => jetstreamManager(broker.connection);

describe('when the broker goes', () => {
  it('survives kill -9: nothing acknowledged is lost, and all is level again', async () => {
    await start();
    await flows(LEVEL_WITHIN_MS);
    // Accepted by the stream, but not yet fetched by anybody.
    await service?.close();
    const accepted = task();
    await broker.publish(taskCreated, accepted, { id: accepted.taskId });
    await start();
    await nats.kill();
    await eventually(() => !broker.status().connected);
    await expect(broker.publish(taskCreated, task(), { id: randomUUID() })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'nats_unavailable',
    });
    await nats.start();
    await flows(LEVEL_WITHIN_MS);
    await eventually(() => seen.includes(accepted.taskId));
    expect(broker.status().connected).toBe(true);
  }, 30_000);

  it('makes everything anew after a wiped volume', async () => {
    await start();
    await flows(LEVEL_WITHIN_MS);
    await nats.kill();
    nats.wipe();
    await nats.start();
    await flows(LEVEL_WITHIN_MS);
    const { config } = await (await manager()).streams.info(broker.keeper.stream);
    expect(config.subjects).toEqual(['capstan.event.>']);
  }, 30_000);

  it('makes a stream anew that is there and takes nothing, as after a critical write error', async () => {
    const said: string[] = [];
    await broker.close();
    broker = await connectBroker({ url: nats.url, name: 'spec', log: (_level, text) => said.push(text) });
    await start();
    await flows(LEVEL_WITHIN_MS);
    const { created } = await (await manager()).streams.info(broker.keeper.stream);
    // The files of a running server: it notices at its next block, and goes on listing the stream.
    nats.wipe();
    const large = () => ({
      id: randomUUID(),
      subject: 'event.noise.x',
      payload: 'x'.repeat(700_000),
      traceparent: null,
    });
    const refused = () =>
      broker.publishRaw(large()).then(
        () => false,
        () => true,
      );
    await eventually(refused, 20_000);
    await eventually(async () => !(await refused()), 40_000);
    await flows(LEVEL_WITHIN_MS);
    const { created: anew } = await (await manager()).streams.info(broker.keeper.stream);
    expect(anew).not.toBe(created);
    expect(said).toContain('the event stream takes no messages; it is deleted and made anew');
  }, 90_000);

  it('keeps a stream that was away for longer than a dead one is looked at', async () => {
    await start();
    await flows(LEVEL_WITHIN_MS);
    const { created } = await (await manager()).streams.info(broker.keeper.stream);
    nats.freeze();
    const trying = Array.from({ length: 8 }, () =>
      broker.publish(taskCreated, task(), { id: randomUUID() }).catch(() => undefined),
    );
    await Promise.all(trying);
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    nats.thaw();
    await flows(LEVEL_WITHIN_MS);
    const { created: still } = await (await manager()).streams.info(broker.keeper.stream);
    expect(still).toBe(created);
  }, 60_000);

  it('is waited for by a service that starts meanwhile, whatever it lost', async () => {
    await broker.close();
    const said: string[] = [];
    broker = await connectBroker({ url: nats.url, name: 'spec', log: (_level, text) => said.push(text) });
    await nats.kill();
    nats.wipe();
    const starting = start();
    await eventually(() => said.some((text) => text.startsWith('waiting for NATS')), 20_000);
    await nats.start();
    await starting;
    await flows(LEVEL_WITHIN_MS);
  }, 40_000);

  it('refuses at once while nobody answers, and says what to do', async () => {
    await nats.kill();
    await expect(connectBroker({ url: nats.url, name: 'spec' })).rejects.toMatchObject({
      code: 'nats_unreachable',
      field: 'CAPSTAN_NATS_URL',
      message: expect.not.stringMatching(/:[0-9a-f]{24}@/) as unknown,
    });
  });

  it('refuses wrong credentials for good', async () => {
    const url = nats.url.replace(/:[^:@]+@/, ':wrong@');
    await expect(connectBroker({ url, name: 'spec' })).rejects.toMatchObject({
      name: 'UserError',
      code: 'nats_refused',
    });
  });

  it('tells a stream that can not be made, and an address that is none', async () => {
    // More replicas than a single server can hold.
    await expect(connectBroker({ url: nats.url, name: 'spec', replicas: 3 })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'nats_stream',
    });
    await expect(connectBroker({ url: 'http://127.0.0.1', name: 'spec' })).rejects.toMatchObject({
      name: 'UserError',
      code: 'nats_url_invalid',
    });
  });
});

describe('a server that can not be used', () => {
  /** Says INFO as such a server does, and nothing else. */
  async function serverThatSays(info: object): Promise<{ url: string; close(): void }> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => void (String(data).includes('PING') && socket.write('PONG\r\n')));
      socket.write(`INFO ${JSON.stringify({ server_id: 'x', max_payload: 1_048_576, headers: true, ...info })}\r\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
  }

  it.each([
    ['is too old', { version: '2.9.10', jetstream: true }, 'nats_too_old', /2\.9\.10 is too old; 2\.10\.0 or newer/],
    ['has no JetStream', { version: '2.15.1' }, 'nats_without_jetstream', /without JetStream/],
  ])('because it %s is refused by name, with a remedy', async (_why, info, code, message) => {
    const server = await serverThatSays(info);
    await expect(connectBroker({ url: server.url, name: 'spec' })).rejects.toMatchObject({
      name: 'UserError',
      code,
      message: expect.stringMatching(message) as unknown,
      remedy: expect.stringMatching(/\.$/) as unknown,
    });
    server.close();
  });
});

describe('when somebody deletes', () => {
  it.each([
    [
      'the consumers',
      async () => {
        const jsm = await manager();
        for (const name of ['spec_task-created', 'spec_run-start']) {
          await jsm.consumers.delete(broker.keeper.stream, name);
        }
      },
    ],
    [
      'the stream',
      async () => {
        await (await manager()).streams.delete(broker.keeper.stream);
      },
    ],
  ])(
    '%s, all is level within 5 s',
    async (_what, remove) => {
      await start();
      await flows(LEVEL_WITHIN_MS);
      await remove();
      await flows(LEVEL_WITHIN_MS);
      expect((await (await manager()).consumers.info(broker.keeper.stream, 'spec_task-created')).config).toMatchObject({
        max_ack_pending: 10_000,
        max_deliver: -1,
      });
    },
    30_000,
  );

  it('in mid-flow, what was published meanwhile arrives', async () => {
    await start();
    const rows = Array.from({ length: 200 }, task);
    const jsm = await manager();
    const publishing = (async () => {
      for (const [index, row] of rows.entries()) {
        if (index === 50) await jsm.consumers.delete(broker.keeper.stream, 'spec_task-created');
        if (index === 120) await jsm.consumers.delete(broker.keeper.stream, 'spec_task-created');
        await broker.publish(taskCreated, row, { id: row.taskId });
      }
    })();
    await publishing;
    await eventually(() => rows.every(({ taskId }) => seen.includes(taskId)), LEVEL_WITHIN_MS);
  }, 30_000);
});

describe('tail', () => {
  it('gets every event of its kinds from now on, and says when some may be missed', async () => {
    const before = task();
    await broker.publish(taskCreated, before, { id: before.taskId });
    const got: string[] = [];
    let gaps = 0;
    const tail = await broker.tail(
      [taskCreated, taskChanged],
      (event, payload) => got.push(`${event.name} ${(payload as TaskCreated).taskId}`),
      { onGap: () => (gaps += 1) },
    );
    const rows = Array.from({ length: 20 }, task);
    for (const row of rows) await broker.publish(taskCreated, row, { id: row.taskId });
    await eventually(() => got.length === 20);
    expect(got).toEqual(rows.map(({ taskId }) => `task.created ${taskId}`));

    await (await manager()).streams.delete(broker.keeper.stream);
    await eventually(() => gaps > 0, LEVEL_WITHIN_MS);
    const after = task();
    await broker.publish(taskCreated, after, { id: after.taskId });
    await eventually(() => got.includes(`task.created ${after.taskId}`), LEVEL_WITHIN_MS);
    await tail.close();
  }, 30_000);

  it('resumes after the broker was killed, without a hole', async () => {
    const got: string[] = [];
    const tail = await broker.tail([taskCreated], (_event, payload) => got.push((payload as TaskCreated).taskId));
    const rows = Array.from({ length: 6 }, task);
    for (const row of rows.slice(0, 3)) await broker.publish(taskCreated, row, { id: row.taskId });
    await eventually(() => got.length === 3);
    await nats.kill();
    await eventually(() => !broker.status().connected);
    await nats.start();
    for (const row of rows.slice(3)) {
      await eventually(() => broker.publish(taskCreated, row, { id: row.taskId }).then(() => true));
    }
    await eventually(() => rows.every(({ taskId }) => got.includes(taskId)), 15_000);
    await tail.close();
  }, 40_000);
});

describe('core events', () => {
  it('reach who listens, also after the broker was killed', async () => {
    const heads: number[] = [];
    const listening = broker.listen(logHead, ({ head }) => void heads.push(head));
    const head = (value: number) => ({ workspaceId: randomUUID(), runId: randomUUID(), head: value, ended: false });
    await broker.flush();
    await broker.publish(logHead, head(1));
    await eventually(() => heads.includes(1));
    await nats.kill();
    await eventually(() => !broker.status().connected);
    await broker.publish(logHead, head(2)); // nobody hears it, and nothing fails
    await nats.start();
    await eventually(() => broker.status().connected);
    await eventually(async () => {
      await broker.publish(logHead, head(3));
      return heads.includes(3);
    });
    expect(heads).not.toContain(2);
    await listening.close();
  }, 30_000);
});
