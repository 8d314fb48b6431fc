import { randomUUID } from 'node:crypto';
import { Controller } from '@nestjs/common';
import { Bug, TransientError, UserError } from '@capstan/domain';
import { MAX_DELIVERIES, runChanged, runStart, taskCreated, type PayloadOf } from '@capstan/events';
import { eventually, testNats } from '@capstan/test-support';
import { connectBroker, type Broker } from './broker.js';
import { Handles, type Delivery } from './handles.js';
import type { HandledObservation, JetStreamServerOptions } from './jetstream-server.js';
import type { Outcome } from './outcome.js';
import { subjectOf } from './topology.js';
import { startHandlers, type TestService } from './transport.fixture.js';

type TaskCreated = PayloadOf<typeof taskCreated>;

const task = (): TaskCreated => ({ workspaceId: randomUUID(), taskId: randomUUID(), repositoryId: randomUUID() });

let broker: Broker;
let service: TestService | undefined;
const logged: { level: string; message: string }[] = [];

beforeEach(async () => {
  logged.length = 0;
  const { url, prefix } = testNats();
  broker = await connectBroker({ url, prefix, name: 'spec', log: (level, message) => logged.push({ level, message }) });
});

afterEach(async () => {
  await service?.close();
  service = undefined;
  await broker.keeper.destroy();
  await broker.close();
});

/** Handles `task.created` by the given function and collects what was answered. */
async function handling(
  work: (payload: TaskCreated, delivery: Delivery) => Promise<void | Outcome>,
  options: Partial<JetStreamServerOptions> = {},
) {
  @Controller()
  class Handlers {
    @Handles(taskCreated)
    async created(payload: TaskCreated, delivery: Delivery): Promise<void | Outcome> {
      return work(payload, delivery);
    }
  }
  const answers: HandledObservation[] = [];
  service = await startHandlers(broker, [Handlers], [taskCreated], {
    observe: (each) => answers.push(each),
    ...options,
  });
  return answers;
}

describe('handlers', () => {
  it('get the parsed payload once, with id and traceparent, and the message is acknowledged', async () => {
    const seen: [TaskCreated, Delivery][] = [];
    const answers = await handling(async (payload, delivery) => void seen.push([payload, delivery]));
    const payload = task();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const id = randomUUID();
    await broker.publish(taskCreated, payload, { id, traceparent });
    await broker.publish(taskCreated, payload, { id, traceparent }); // the broker drops it by its id
    await eventually(() => answers.length === 1);
    expect(seen[0]?.[0]).toEqual(payload);
    expect(seen[0]?.[1]).toMatchObject({ id, delivery: 1, traceparent });
    expect(await pending()).toEqual({ unanswered: 0, waiting: 0 });
    expect(answers).toHaveLength(1);
  });

  it('get a message again after a failure, later each time', async () => {
    const at: number[] = [];
    const answers = await handling(async () => {
      at.push(performance.now());
      if (at.length < 3) throw new TransientError('not yet', { code: 'not_yet' });
    });
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => answers.length === 3);
    expect(answers.map(({ ack }) => ack.kind)).toEqual(['nak', 'nak', 'ack']);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(120);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(245);
  });

  it('keep the delay of a TransientError and of "later"', async () => {
    const at: number[] = [];
    await handling(async () => {
      at.push(performance.now());
      if (at.length === 1) throw new TransientError('wait', { code: 'wait', retryAfterMs: 300 });
      if (at.length === 2) return { kind: 'later', delayMs: 400 };
      return undefined;
    });
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => at.length === 3);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(295);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(395);
  });

  it.each([
    ['UserError', async () => Promise.reject(new UserError('never', { code: 'never' }))],
    ['drop', async () => ({ kind: 'drop', reason: 'never' }) as const],
  ])('%s ends a message', async (_name, work) => {
    const answers = await handling(work);
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => answers.length === 1);
    expect(answers[0]?.ack).toEqual({ kind: 'term', reason: 'never' });
    await eventually(async () => (await pending()).unanswered === 0);
  });

  it('a payload that does not parse is set aside and logged, and holds nothing up', async () => {
    const seen: TaskCreated[] = [];
    const answers = await handling(async (payload) => void seen.push(payload));
    const good = task();
    const subject = subjectOf(broker.prefix, taskCreated.subject(good));
    await broker.publishRaw({
      id: 'bad',
      subject: taskCreated.subject(good),
      payload: { taskId: 7 },
      traceparent: null,
    });
    broker.connection.publish(subject, 'not json at all');
    await broker.publish(taskCreated, good, { id: 'good' });
    await eventually(() => answers.length === 3);
    expect(answers.map(({ ack }) => ack.kind).sort()).toEqual(['ack', 'term', 'term']);
    expect(seen).toEqual([good]);
    const lines = logged.filter(({ level }) => level === 'error').map(({ message }) => message);
    expect(lines).toHaveLength(2);
    expect(lines.join()).toMatch(/taskId/);
  });
});

describe('a consumer made by a replica whose clock is fast', () => {
  it('begins in the past of the server, not in a future that everybody would wait for', async () => {
    const now = Date.now.bind(Date);
    const fast = jest.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
    const seen: TaskCreated[] = [];
    try {
      await handling(async (payload) => void seen.push(payload));
    } finally {
      fast.mockRestore();
    }
    const payload = task();
    await broker.publish(taskCreated, payload);
    await eventually(() => seen.length === 1);
    expect(seen).toEqual([payload]);
  });
});

describe('a message delivered too often', () => {
  it('is parked before its handler is called again, then ended', async () => {
    let calls = 0;
    const parked: unknown[] = [];
    const answers = await handling(
      async () => {
        calls += 1;
        throw new Bug(`failure ${calls}`);
      },
      {
        redeliveryDelayMs: (delay) => delay / 100,
        onExhausted: async (event, payload, error) => void parked.push([event.name, payload, (error as Error).message]),
      },
    );
    const payload = task();
    await broker.publish(taskCreated, payload, { id: randomUUID() });
    await eventually(() => answers.some(({ ack }) => ack.kind === 'term'));
    expect(calls).toBe(MAX_DELIVERIES);
    expect(parked).toEqual([['task.created', payload, `failure ${MAX_DELIVERIES}`]]);
    await eventually(async () => (await pending()).unanswered === 0);
  });

  it('stays uncalled and unended while it can not be parked', async () => {
    let calls = 0;
    let attempts = 0;
    const answers = await handling(
      async () => {
        calls += 1;
        throw new Error('poison');
      },
      {
        redeliveryDelayMs: (delay) => delay / 100,
        onExhausted: async () => {
          attempts += 1;
          if (attempts < 3) throw new TransientError('Postgres is away', { code: 'database_unavailable' });
        },
      },
    );
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => answers.some(({ ack }) => ack.kind === 'term'));
    expect(attempts).toBe(3);
    expect(calls).toBe(MAX_DELIVERIES);
  });

  it('is left to the resync, not parked, when it only had to wait', async () => {
    let parked = 0;
    const answers = await handling(
      async () => Promise.reject(new TransientError('Postgres is away', { code: 'database_unavailable' })),
      { redeliveryDelayMs: (delay) => delay / 100, onExhausted: async () => void (parked += 1) },
    );
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => answers.length === MAX_DELIVERIES);
    expect(answers.at(-1)?.ack.kind).toBe('term');
    await eventually(async () => (await pending()).unanswered === 0);
    expect(parked).toBe(0);
  });
});

describe('pulling', () => {
  it('takes no more than the free slots, and more as soon as there are some', async () => {
    let free = 2;
    const held: (() => void)[] = [];
    @Controller()
    class Slots {
      @Handles(runStart, { capacity: () => free })
      async start(): Promise<void> {
        await new Promise<void>((resolve) => held.push(resolve));
        free -= 1;
      }
    }
    service = await startHandlers(broker, [Slots], [runStart]);
    for (let index = 0; index < 5; index += 1) {
      await broker.publish(
        runStart,
        { workspaceId: randomUUID(), taskId: randomUUID(), runId: randomUUID() },
        { id: randomUUID() },
      );
    }
    await eventually(() => held.length === 2);
    for (const finish of held.splice(0)) finish();
    await eventually(async () => (await pending('spec_run-start')).unanswered === 0);
    // Both slots are taken now: three wait at the broker, none in this process.
    expect(await pending('spec_run-start')).toEqual({ unanswered: 0, waiting: 3 });
    free = 1;
    await eventually(() => held.length === 1);
    expect(await pending('spec_run-start')).toEqual({ unanswered: 1, waiting: 2 });
    for (const finish of held) finish();
  });

  it('gives back at the end what is not finished within the grace', async () => {
    const answers: string[] = [];
    let release: (() => void) | undefined;
    const stuck = new Promise<void>((resolve) => (release = resolve));
    await handling(async (_payload, { delivery }) => {
      answers.push(`first ${delivery}`);
      await stuck;
    });
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(() => answers.length === 1);
    await service?.server.drain(50);
    await handling(async (_payload, { delivery }) => void answers.push(`second ${delivery}`));
    await eventually(() => answers.includes('second 2'));
    release?.();
  });

  it('finishes what is in hand within the grace', async () => {
    const answers = await handling(async () => new Promise((resolve) => setTimeout(resolve, 300)));
    await broker.publish(taskCreated, task(), { id: randomUUID() });
    await eventually(async () => (await pending()).unanswered === 1);
    await service?.server.drain(5_000);
    expect(answers.map(({ ack }) => ack.kind)).toEqual(['ack']);
  });
});

describe('every event three times and shuffled', () => {
  it('reaches the handler so, and a handler that re-reads ends in the same state', async () => {
    const rows = Array.from({ length: 40 }, task);
    const state = new Map<string, number>();
    const effects = new Map<string, number>();
    const deliveries: string[] = [];
    const answers = await handling(async ({ taskId }) => {
      deliveries.push(taskId);
      const version = state.get(taskId) ?? 0;
      if (version > 0) return; // the state says that it was done
      state.set(taskId, version + 1);
      effects.set(taskId, (effects.get(taskId) ?? 0) + 1);
    });
    const order = [...rows, ...rows, ...rows]
      .map((row, index) => ({ row, key: (index * 7919) % 1_009 }))
      .sort((a, b) => a.key - b.key);
    await Promise.all(order.map(({ row }) => broker.publish(taskCreated, row, { id: randomUUID() })));
    await eventually(() => answers.length === rows.length * 3);
    expect(deliveries).toHaveLength(120);
    expect([...effects.values()].every((count) => count === 1)).toBe(true);
    expect([...effects.keys()].sort()).toEqual(rows.map(({ taskId }) => taskId).sort());
  });
});

describe('boot', () => {
  it('refuses a service that misses an event', async () => {
    await expect(handlingNothing([taskCreated])).rejects.toThrow('nothing handles task.created.v1');
  });

  it('refuses a service that handles an event twice, by name', async () => {
    @Controller()
    class One {
      @Handles(taskCreated)
      async created(): Promise<void> {}
    }
    @Controller()
    class Two {
      @Handles(taskCreated)
      async again(): Promise<void> {}
    }
    await expect(startHandlers(broker, [One, Two], [taskCreated])).rejects.toThrow(
      'task.created.v1 is handled twice: One.created, Two.again',
    );
  });

  it('refuses a handler of an event that is not declared', async () => {
    @Controller()
    class Extra {
      @Handles(runChanged)
      async changed(): Promise<void> {}
    }
    await expect(startHandlers(broker, [Extra], [])).rejects.toThrow(/Extra\.changed handles run\.changed\.v1/);
  });
});

async function handlingNothing(consumes: readonly (typeof taskCreated)[]): Promise<void> {
  @Controller()
  class Nothing {}
  await startHandlers(broker, [Nothing], consumes);
}

async function pending(durable = 'spec_task-created'): Promise<{ unanswered: number; waiting: number }> {
  const answer = await broker.connection.request(`$JS.API.CONSUMER.INFO.${broker.keeper.stream}.${durable}`, '');
  const info = answer.json<{ num_ack_pending: number; num_pending: number }>();
  return { unanswered: info.num_ack_pending, waiting: info.num_pending };
}
