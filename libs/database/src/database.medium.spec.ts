import {
  LEGAL_PAIRS,
  TASK_STATES,
  TransientError,
  shortId,
  type Actor,
  type FaultPoint,
  type FaultPort,
} from '@capstan/domain';
import { taskChanged } from '@capstan/events';
import { eventually, testDatabase } from '@capstan/test-support';
import type { Effect, Task } from './index.js';
import {
  Database,
  ENTITIES,
  Repository,
  Workspace,
  changeTask,
  claimEffects,
  claimOutbox,
  createTask,
  deleteOutbox,
  migrate,
  newId,
  outboxBacklog,
  requestEffect,
  returnEffect,
  schemaVersion,
  settleEffect,
  LATEST_MIGRATION,
  isDatabaseOutage,
} from './index.js';

const ACTOR: Actor = { kind: 'service', id: 'spec' };
let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

async function aRepository(): Promise<{ workspaceId: string; repositoryId: string }> {
  const workspaceId = newId();
  const repositoryId = newId();
  await database.transaction(async (tx) => {
    await tx.insert(Workspace, { id: workspaceId, name: 'w', slug: shortId(workspaceId) });
    await tx.insert(Repository, {
      id: repositoryId,
      workspaceId,
      forge: 'github',
      fullName: 'acme/app',
      apiUrl: 'http://forge',
      cloneUrl: 'http://forge/acme/app.git',
      webUrl: 'http://forge/acme/app',
      defaultBranch: 'main',
      credentialSecret: 'GITHUB_TOKEN',
      agent: { agent: 'command', argv: ['true'] } as never,
    });
  });
  return { workspaceId, repositoryId };
}

async function aTask(dependsOn: string[] = []): Promise<Task> {
  const ids = await aRepository();
  const { id } = await database.transaction((tx) =>
    createTask(tx, {
      ...ids,
      kind: 'change',
      title: 'Do it',
      body: '',
      baseBranch: 'main',
      dependsOn,
      createdBy: ACTOR,
      cause: 'Asked for',
      traceparent: null,
    }),
  );
  const [task] = await database.query<Task>('select * from task where id = $1', [id]);
  return task!;
}

describe('the schema', () => {
  it('is what the entities say', async () => {
    const { upQueries } = await database.dataSource.driver.createSchemaBuilder().log();
    const drift = upQueries
      .map(({ query }) => query)
      .filter((sql) => !/CONSTRAINT|INDEX|DEFAULT|TYPE numeric$/.test(sql));
    expect(drift).toEqual([]);
    expect(ENTITIES.length).toBeGreaterThan(25);
  });

  it('can be migrated to again and again', async () => {
    expect(await migrate(server.url)).toEqual({ applied: [] });
    expect(await schemaVersion(database)).toBe(LATEST_MIGRATION);
  });

  it('refuses exactly the changes of state that the transition table does not hold', async () => {
    const task = await aTask();
    const legal = new Set(LEGAL_PAIRS.map(([from, to]) => `${from} ${to}`));
    for (const from of TASK_STATES) {
      for (const to of TASK_STATES.filter((state) => state !== from)) {
        const allowed = await database
          .transaction(async (tx) => {
            await tx.query('alter table task disable trigger task_state_guard');
            await tx.query('update task set state = $2 where id = $1', [task.id, from]);
            await tx.query('alter table task enable trigger task_state_guard');
            await tx.query('update task set state = $2 where id = $1', [task.id, to]);
            throw new Error('allowed');
          })
          .catch((error: Error) => error.message === 'allowed');
        expect(`${from} ${to} ${allowed}`).toBe(`${from} ${to} ${legal.has(`${from} ${to}`)}`);
      }
    }
  });

  it('binds a transaction to its workspace', async () => {
    const [mine, foreign] = [await aTask(), await aTask()];
    const seen = await database.transaction((tx) => tx.query<Task>('select * from task'), {
      workspaceId: mine.workspaceId,
    });
    expect(seen.map(({ id }) => id)).toEqual([mine.id]);
    const written = await database.transaction(
      (tx) => tx.query('update task set title = $2 where id = $1 returning id', [foreign.id, 'stolen']),
      {
        workspaceId: mine.workspaceId,
      },
    );
    expect(written).toEqual([]);
    await expect(
      database.transaction(
        (tx) =>
          tx.insert(Repository, {
            ...({} as Repository),
            id: newId(),
            workspaceId: foreign.workspaceId,
            forge: 'github',
            fullName: 'x/y',
            apiUrl: 'h',
            cloneUrl: 'h',
            webUrl: 'h',
            defaultBranch: 'm',
            credentialSecret: 'T',
            agent: {} as never,
          }),
        {
          workspaceId: mine.workspaceId,
        },
      ),
    ).rejects.toThrow(/row-level security/);
    const free = await database.query<{ id: string }>('select id from task where id = any($1)', [
      [mine.id, foreign.id],
    ]);
    expect(free).toHaveLength(2);
  });

  it('binds every tenant table, all in the same words', async () => {
    const policies = await database.query<{ tablename: string; qual: string; withCheck: string }>(
      `select tablename, qual, with_check from pg_policies where policyname = 'workspace_bound'`,
    );
    expect(policies.length).toBeGreaterThan(20);
    const words = new Set(policies.flatMap(({ qual, withCheck }) => [qual, withCheck]));
    expect([...words]).toEqual([expect.stringMatching(/^\(\(workspace_id = /)]);
  });

  it('binds in words that the planner can count with: a join over a workspace is no loop over its tasks', async () => {
    const { workspaceId, repositoryId } = await aTask();
    await database.query(
      `insert into task (id, workspace_id, repository_id, kind, title, body, state, base_branch, created_by)
       select gen_random_uuid(), $1, $2, 'change', 'T', '', 'completed', 'main', '{}' from generate_series(1, 1000)`,
      [workspaceId, repositoryId],
    );
    await database.query('analyze task');
    const [plan] = await database.transaction(
      (tx) =>
        tx.query<Record<string, [{ Plan: { 'Plan Rows': number } }]>>(
          'explain (format json) select id from task where workspace_id = $1',
          [workspaceId],
        ),
      { workspaceId },
    );
    expect(Object.values(plan!)[0]![0].Plan['Plan Rows']).toBeGreaterThan(500);
  });
});

describe('createTask and changeTask', () => {
  it('waits for dependencies that have not completed, and refuses ones that are not there', async () => {
    const first = await aTask();
    await expect(aTask([first.id])).rejects.toMatchObject({ code: 'dependency_not_found', field: 'dependsOn' });
    const second = await database.transaction((tx) =>
      createTask(tx, {
        ...first,
        dependsOn: [first.id],
        createdBy: ACTOR,
        cause: 'x',
        traceparent: null,
        id: newId(),
        ticketId: null,
        linkedTaskId: null,
      }),
    );
    expect(second.state).toBe('waiting');
  });

  it('writes the row, the event and the outbox in one transaction, and refuses a stale writer', async () => {
    const task = await aTask();
    const woken: string[] = [];
    const off = database.onCommitted((rows) => woken.push(...rows.map(({ event }) => event)));
    const change = () =>
      database.transaction((tx) => changeTask(tx, { task, transition: 'cancel', cause: 'Enough', actor: ACTOR }));
    expect(await change()).toBe('applied');
    expect(await change()).toBe('stale');
    off();
    expect(woken).toEqual([taskChanged.name]);
    const events = await database.query<{ cause: string; toState: string }>(
      'select * from task_event where task_id = $1 order by at',
      [task.id],
    );
    expect(events.map(({ cause, toState }) => [cause, toState])).toEqual([
      ['Asked for', 'queued'],
      ['Enough', 'cancelled'],
    ]);
  });

  it('leaves nothing behind when the transaction fails', async () => {
    const task = await aTask();
    const before = (await outboxBacklog(database)).rows;
    await expect(
      database.transaction(async (tx) => {
        await changeTask(tx, { task, transition: 'cancel', cause: 'x', actor: ACTOR });
        throw new Error('power cut');
      }),
    ).rejects.toThrow('power cut');
    expect((await outboxBacklog(database)).rows).toBe(before);
    expect(await database.query<Task>('select * from task where id = $1', [task.id])).toMatchObject([
      { state: 'queued', version: 1 },
    ]);
  });
});

describe('a commit that is a step', () => {
  const passing = async (
    faults: FaultPort,
    work: (faulty: Database, task: Awaited<ReturnType<typeof aTask>>) => Promise<unknown>,
  ) => {
    const task = await aTask();
    const faulty = await Database.open({ url: server.url, poolSize: 1, faults });
    try {
      await work(faulty, task);
    } finally {
      await faulty.close();
    }
    const [row] = await database.query<Task>('select * from task where id = $1', [task.id]);
    return row!.state;
  };
  const cancel = (faulty: Database, task: Awaited<ReturnType<typeof aTask>>) =>
    faulty.commit('advance', (tx) => changeTask(tx, { task, transition: 'cancel', cause: 'x', actor: ACTOR }));

  it('passes a fault point on both sides; before it nothing is there, after it everything, untold', async () => {
    const told: unknown[] = [];
    const dying =
      (at: FaultPoint): FaultPort =>
      (point) => {
        if (point === at) throw new Error('power cut');
      };
    const tries = (at: FaultPoint) =>
      passing(dying(at), async (faulty, task) => {
        faulty.onCommitted((rows) => told.push(...rows));
        await expect(cancel(faulty, task)).rejects.toThrow('power cut');
      });
    expect(await tries('advance.before')).toBe('queued');
    expect(await tries('advance.after')).toBe('cancelled');
    expect(told).toEqual([]);
  });

  it('passes none when there was nothing to tell', async () => {
    const passed: FaultPoint[] = [];
    const note: FaultPort = (point) => void passed.push(point);
    await passing(note, (faulty) => faulty.commit('place', async () => undefined));
    expect(passed).toEqual([]);
    await passing(note, cancel);
    expect(passed).toEqual(['advance.before', 'advance.after']);
  });
});

describe('the outbox', () => {
  it('gives a row to one sweeper only, and forgets what was acknowledged', async () => {
    await aTask();
    const [a, b] = await Promise.all([
      claimOutbox(database, { limit: 1000, olderThanMs: 0 }),
      claimOutbox(database, { limit: 1000, olderThanMs: 0 }),
    ]);
    const ids = [...a, ...b].map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
    await deleteOutbox(database, ids);
    expect(await outboxBacklog(database)).toMatchObject({ rows: 0 });
  });
});

describe('effects', () => {
  const effectOf = async () => {
    const task = await aTask();
    const key = `comment_ticket:${newId()}`;
    const ask = () =>
      database.transaction((tx) =>
        requestEffect(tx, {
          workspaceId: task.workspaceId,
          taskId: task.id,
          runId: null,
          epoch: 0,
          kind: 'comment_ticket',
          key,
          arguments: {},
          traceparent: null,
        }),
      );
    return { ask, first: await ask() };
  };
  const claim = (effectId: string) => claimEffects(database, 'ticket-sync', 'me', { limit: 5, effectId });

  it('stand once per key', async () => {
    const { ask, first } = await effectOf();
    expect(await ask()).toEqual({ id: first.id, inserted: false });
  });

  it('are claimed by one of many at a time, and settled under their claim only', async () => {
    const { first } = await effectOf();
    const claims = (await Promise.all([claim(first.id), claim(first.id), claim(first.id)])).flat();
    expect(claims).toHaveLength(1);
    const stale = { ...claims[0]!.effect, claimEpoch: claims[0]!.effect.claimEpoch - 1 };
    const settle = (effect: typeof stale) =>
      database.transaction((tx) => settleEffect(tx, effect, { state: 'done', remoteId: '7', result: {} }));
    expect(await settle(stale)).toBe('stale');
    expect(await settle(claims[0]!.effect)).toBe('applied');
    expect(await claim(first.id)).toEqual([]);
  });

  it('are taken over only one deadline after the claim ran out', async () => {
    const { first } = await effectOf();
    await claim(first.id);
    const age = (seconds: number) =>
      database.query(`update effect set deadline_at = clock_timestamp() - $2 * interval '1 s' where id = $1`, [
        first.id,
        seconds,
      ]);
    await age(1);
    expect(await claim(first.id)).toEqual([]);
    await age(21);
    expect(await claim(first.id)).toMatchObject([{ repeated: true, effect: { claimEpoch: 2 } }]);
  });

  it('are parked as well when they end their process each time, for they are counted when they are claimed', async () => {
    const { first } = await effectOf();
    const lapse = () =>
      database.query(`update effect set deadline_at = clock_timestamp() - interval '1 minute' where id = $1`, [
        first.id,
      ]);
    const claims: number[] = [];
    for (let life = 0; life < 12; life += 1) {
      claims.push((await claim(first.id)).length);
      // The process is gone: nobody gives the claim back, and it lapses.
      await lapse();
    }
    expect(claims.filter((count) => count === 1)).toHaveLength(8);
    const [row] = await database.query<Effect>('select * from effect where id = $1', [first.id]);
    expect(row).toMatchObject({ state: 'requested', attempts: 8, parkedAt: expect.any(Date) });
    expect(row!.lastError).toContain('ended without a word');
    const told = await database.query(
      `select 1 from outbox where event = 'parked_row.changed' and payload->>'rowId' = $1`,
      [first.id],
    );
    expect(told).toHaveLength(1);
  });

  it('are parked at the cap, and an outage of ours costs no attempt', async () => {
    const { first } = await effectOf();
    for (let attempt = 1; ; attempt += 1) {
      const [held] = await claim(first.id);
      if (held === undefined) break;
      await returnEffect(database, held.effect, { error: 'boom', delayMs: 0, counted: attempt !== 1 });
    }
    const [row] = await database.query<{ attempts: number; parkedAt: Date | null }>(
      'select * from effect where id = $1',
      [first.id],
    );
    expect(row).toMatchObject({ attempts: 8, parkedAt: expect.any(Date) });
  });
});

describe('an outage', () => {
  it.each([
    ['53100', 'database_full'],
    ['53300', 'database_connections'],
    ['57P01', 'database_unavailable'],
  ])('%s is told as %s, and is nobody’s attempt', async (state, code) => {
    const error: unknown = await database
      .query(`do $$ begin raise exception 'no' using errcode = '${state}'; end $$`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'TransientError', code });
    expect(isDatabaseOutage(error)).toBe(true);
  });

  it('is a TransientError, on connecting and in the middle', async () => {
    await expect(Database.open({ url: 'postgres://nobody@127.0.0.1:1/none' })).rejects.toBeInstanceOf(TransientError);
    await expect(database.query('select pg_terminate_backend(pg_backend_pid())')).rejects.toBeInstanceOf(
      TransientError,
    );
    expect(await eventually(() => database.query('select 1 as one'))).toEqual([{ one: 1 }]);
  });

  it('between two statements too, on the very first connection: nobody hears of it but the next statement', async () => {
    const fresh = await Database.open({ url: server.url, poolSize: 1 });
    const lost = fresh.transaction(async (tx) => {
      const [mine] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      await database.query('select pg_terminate_backend($1)', [mine!.pid]);
      await eventually(async () => {
        const left = await database.query('select from pg_stat_activity where pid = $1', [mine!.pid]);
        return left.length === 0;
      });
      await new Promise((resolve) => setImmediate(resolve));
      await tx.query('select 1');
    });
    await expect(lost).rejects.toMatchObject({ name: 'TransientError', code: 'database_unavailable' });
    await fresh.close();
  });
});
