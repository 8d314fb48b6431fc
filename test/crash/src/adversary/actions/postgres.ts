import { setTimeout as pause } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { eventually } from '@capstan/test-support';
import type { Stage } from '../../stage/stage.js';
import type { Action } from '../action.js';

const LEVEL_WITHIN_MS = 30_000;

export const freezePostgres: Action = {
  name: 'freeze-postgres',
  weight: 1,
  act: (stage, _random, note) =>
    stage.postgres.exclusively(async () => {
      note('Postgres stopped for 20 s');
      stage.postgres.freeze();
      await requestsAreRefused(stage, 20_000, note);
      stage.postgres.thaw();
      note('Postgres goes on');
      await untilLevel(stage, note);
    }),
};

export const killPostgres: Action = {
  name: 'kill-postgres',
  weight: 1,
  act: (stage, random, note) =>
    stage.postgres.exclusively(async () => {
      const downMs = random.int(0, 10_000);
      await stage.postgres.kill();
      note(`Postgres killed, back after ${downMs} ms`);
      await requestsAreRefused(stage, downMs, note);
      await stage.postgres.start();
      note('Postgres is back');
      await untilLevel(stage, note);
    }),
};

/** A fail-over of a pooler: every connection ends, and the next works. */
export const endConnections: Action = {
  name: 'end-connections',
  weight: 2,
  act: ({ postgres, database }, _random, note) =>
    postgres.exclusively(async () => {
      const { rowCount } = await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'capstan' and pid <> pg_backend_pid()`,
      );
      note(`${rowCount} connections to Postgres ended`);
    }),
};

/**
 * While Postgres is away, whoever asks for a task gets 503 with Retry-After, or no answer where the gateway itself was
 * killed; nothing else. The repository that is named isn't there, so that no answer makes a task.
 */
async function requestsAreRefused(stage: Stage, forMs: number, note: (text: string) => void): Promise<void> {
  const end = performance.now() + forMs;
  const seen = new Map<number, number>();
  const ask = async (): Promise<void> => {
    const body = { repositoryId: randomUUID(), title: 'While Postgres is away' };
    const { status, headers } = await stage.call('POST', '/api/tasks', body, {}, 15_000);
    seen.set(status, (seen.get(status) ?? 0) + 1);
    if (status === 503 && headers.get('retry-after') === null) stage.complain('a 503 without Retry-After');
    // One that was asked before the outage bit, or answered after it, is refused for what it says.
    if (![0, 404, 422, 503].includes(status)) stage.complain(`POST answered ${status} while Postgres was away`);
  };
  const asking: Promise<void>[] = [];
  while (performance.now() < end) {
    asking.push(ask());
    await pause(Math.min(1_000, Math.max(0, end - performance.now())));
  }
  // What is still being asked is answered when Postgres is back.
  void Promise.all(asking).then(() => {
    const counts = [...seen].map(([status, count]) => `${status === 0 ? 'no answer' : status} × ${count}`);
    if (counts.length > 0) note(`POST /api/tasks meanwhile: ${counts.join(', ')}`);
  });
}

/** Every lease is renewed, nothing waits in the outbox, and requests are answered. */
async function untilLevel(stage: Stage, note: (text: string) => void): Promise<void> {
  const began = performance.now();
  await eventually(
    async () => {
      const { rows } = await stage.database.query<{ late: number; waiting: number }>(
        `select (select count(*)::int from run where state in ('leased','running') and parked_at is null
                    and not_before is null and lease_expires_at < clock_timestamp() - interval '3 seconds') as late,
                (select count(*)::int from outbox where created_at < clock_timestamp() - interval '10 seconds') as waiting`,
      );
      const { late, waiting } = rows[0]!;
      if (late > 0) throw new Error(`${late} leases ran out and nobody took them over`);
      if (waiting > 0) throw new Error(`${waiting} outbox rows wait`);
      const { status } = await stage.call('GET', '/api/tasks?limit=1', undefined, {}, 5_000);
      if (status !== 200) throw new Error(`GET /api/tasks answers ${status}`);
    },
    LEVEL_WITHIN_MS,
    250,
  );
  note(`level ${Math.round(performance.now() - began)} ms after the return of Postgres`);
}
