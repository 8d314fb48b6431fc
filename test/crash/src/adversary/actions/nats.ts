import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { eventually } from '@capstan/test-support';
import type { Stage } from '../../stage/stage.js';
import type { Action } from '../action.js';

export const killNats: Action = {
  name: 'kill-nats',
  weight: 1,
  act: ({ nats }, random, note) =>
    nats.exclusively(async () => {
      const downMs = random.int(0, 5_000);
      await nats.kill();
      note(`NATS killed, back after ${downMs} ms`);
      await pause(downMs);
      await nats.start();
      note('NATS is back');
    }),
};

export const freezeNats: Action = {
  name: 'freeze-nats',
  weight: 1,
  act: ({ nats }, _random, note) =>
    nats.exclusively(async () => {
      note('NATS stopped for 20 s');
      nats.freeze();
      await pause(20_000);
      nats.thaw();
      note('NATS goes on');
    }),
};

/** Down and without anything that it stored. */
export const wipeNats: Action = {
  name: 'wipe-nats',
  weight: 1,
  act: ({ nats }, random, note) =>
    nats.exclusively(async () => {
      await eventually(async () => {
        await nats.kill();
        // Somebody who starts Postgres may have started it in this moment.
        nats.wipe();
        return true;
      });
      const downMs = random.int(0, 3_000);
      note(`NATS killed and its volume wiped, back after ${downMs} ms`);
      await pause(downMs);
      await nats.start();
      note('NATS is back, empty');
    }),
};

/** Consumers first, then the streams themselves: a consumer can be gone while its stream stays, too. */
export const deleteStreams: Action = {
  name: 'delete-streams',
  weight: 2,
  act: (stage, _random, note) =>
    stage.nats.exclusively(() =>
      withNats(stage, async (connection) => {
        const manager = await jetstreamManager(connection);
        const names = await streamNames(manager);
        for (const stream of names) {
          for (const { name } of await manager.consumers.list(stream).next())
            await manager.consumers.delete(stream, name);
          await manager.streams.delete(stream);
        }
        note(`all streams and consumers deleted: ${names.join(', ') || 'none was there'}`);
      }),
    ),
};

const REPEATED = 300;

/** Everything that is stored comes three times, and in any order. */
export const repeatMessages: Action = {
  name: 'repeat-messages',
  weight: 2,
  act: (stage, random, note) =>
    stage.nats.exclusively(() =>
      withNats(stage, async (connection) => {
        const manager = await jetstreamManager(connection);
        let count = 0;
        for (const stream of await streamNames(manager)) {
          const { state } = await manager.streams.info(stream);
          const messages = [];
          const first = Math.max(state.first_seq, state.last_seq - REPEATED + 1);
          for (let seq = first; seq <= state.last_seq; seq += 1) {
            const message = await manager.streams.getMessage(stream, { seq });
            if (message !== null) messages.push(message);
          }
          for (const { subject, data, header } of random.shuffled([...messages, ...messages])) {
            const plain = headers();
            // Without the id by which the stream would know it again.
            for (const [name, values] of header)
              if (name !== 'Nats-Msg-Id') for (const value of values) plain.append(name, value);
            await jetstream(connection).publish(subject, data, { headers: plain });
            count += 1;
          }
        }
        note(`${count / 2} stored messages published twice more, shuffled`);
      }),
    ),
};

async function streamNames(manager: JetStreamManager): Promise<string[]> {
  return (await manager.streams.list().next()).map(({ config }) => config.name);
}

const TRIES = 3;

/** A server that was stopped or started just now may close a connection that it made: it is then asked again. */
async function withNats(stage: Stage, work: (connection: NatsConnection) => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await withConnection(stage, work);
    } catch (error) {
      if (tries === TRIES) throw error;
      await pause(1_000);
    }
  }
}

async function withConnection(stage: Stage, work: (connection: NatsConnection) => Promise<void>): Promise<void> {
  const url = new URL(stage.natsUrl);
  const connection = await connect({
    servers: url.host,
    user: url.username,
    pass: url.password,
    timeout: 10_000,
    reconnect: false,
  });
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}
