import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIVE_NAMESPACE, LIVE_PATH, pathOf, routes, type Route } from '@capstan/api';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { aSystem, change, eventually, type System } from '@capstan/test-support';
import { io, type Socket } from 'socket.io-client';

/** A value that occurs nowhere by chance. */
const canary = (name: string): string => `${name}Canary${randomBytes(12).toString('hex')}`;

describe('A canary secret', () => {
  let system: System;
  let nats: NatsConnection | undefined;
  let socket: Socket | undefined;
  const secret = canary('secret');
  const refusedToken = canary('token');
  const wrongPassword = canary('password');
  const heard = { nats: [] as string[], socket: [] as string[], rest: [] as string[] };

  beforeAll(async () => {
    system = await aSystem({ env: { CAPSTAN_LOG_LEVEL: 'trace' } });
    nats = await connect(system.natsAccess());
    nats.subscribe('>', {
      callback: (_error, message) => {
        heard.nats.push(`${message.subject} ${JSON.stringify(message.headers ?? {})} ${message.string()}`);
      },
    });
    socket = io(system.capstan.url + LIVE_NAMESPACE, {
      path: LIVE_PATH,
      transports: ['websocket'],
      auth: { token: system.capstan.token },
    });
    socket.onAny((...message) => heard.socket.push(JSON.stringify(message)));
    await useEverything();
  });
  afterAll(async () => {
    socket?.disconnect();
    await nats?.close();
    await system?.expectNothingLeft();
  });

  /** Each thing that must be nowhere, by the name that a failure should show. */
  const canaries = (): [name: string, value: string][] => [
    ['the secret', secret],
    ["the forge's token", system.forgeToken],
    ['a token that the forge refuses', refusedToken],
    ['the password', system.password],
    ['a wrong password', wrongPassword],
    ["the webhook's secret", system.webhookSecret],
  ];

  it('was used: the agent ran, one push went through and one was refused', async () => {
    expect(heard.nats.length).toBeGreaterThan(10);
    expect(heard.socket.length).toBeGreaterThan(3);
    expect(heard.rest.length).toBeGreaterThan(15);
  });

  it('is in no event and no live message', () => {
    expectAbsent(heard.nats, 'NATS');
    expectAbsent(heard.socket, 'Socket.IO');
  });

  it('is in no answer of any route, and on no page', () => expectAbsent(heard.rest, 'REST'));

  it('is in no row of any table', async () => {
    const database = await system.database();
    const { rows: tables } = await database.query<{ name: string }>(
      `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const { rows } = await database.query<{ text: string }>(`select t::text as text from ${name} t`);
      expectAbsent(
        rows.map(({ text }) => text),
        `table ${name}`,
      );
      // A body is kept as bytes, which print as hex.
      expectAbsent(
        rows.map(({ text }) => Buffer.from(text.replaceAll(/[^0-9a-f]/g, ''), 'hex').toString('latin1')),
        name,
      );
    }
  });

  it('is in no file of the data directory, logs included', () => {
    const files = filesBelow(system.dataDir).filter((file) => !file.startsWith(join(system.dataDir, 'postgres')));
    expect(files.some((file) => file.endsWith('host.log'))).toBe(true);
    for (const file of files) expectAbsent([textOf(file)], file);
  });

  it('keeps the keys of this installation out of logs and answers, too', () => {
    const keys = JSON.parse(readFileSync(join(system.dataDir, 'secrets.json'), 'utf8')) as Record<string, string>;
    const log = readFileSync(system.capstan.logFile, 'utf8');
    for (const [name, value] of Object.entries(keys))
      for (const text of [log, ...heard.rest, ...heard.nats])
        expect({ name, found: text.includes(value) }).toEqual({ name, found: false });
  });

  function expectAbsent(texts: readonly string[], where: string): void {
    const found = canaries().filter(([, value]) => texts.some((text) => text.includes(value)));
    expect(found.map(([name]) => `${name} in ${where}`)).toEqual([]);
  }

  /** A task that goes through, one whose push is refused, sign-ins, and every way of asking. */
  async function useEverything(): Promise<void> {
    await system.capstan.call('PUT', '/api/secrets/AGENT_KEY', { value: secret });
    await signIn(wrongPassword, 401);
    await signIn(system.password, 200);
    const number = await system.ticket('Goes through', [...change('through'), 'environment']);
    const task = await system.taskOf(number);
    await system.untilState(task.id, 'completed');
    await system.untilTicketClosed(number);
    // From here on the forge refuses what Capstan brings: polls, fetches and a run's preparation all fail.
    await system.capstan.call('PUT', '/api/secrets/GITHUB_TOKEN', {
      value: refusedToken,
      repositoryId: system.repositoryId(),
    });
    const refused = await system.task('Is refused', change('refused'));
    const status = (entry: (typeof system.forge.journal)[number]) => (entry.kind === 'request' ? entry.status : 200);
    await eventually(() => system.forge.journal.filter((entry) => status(entry) === 401).length >= 2, 30_000);
    await system.until(
      refused.id,
      'to be seen failing',
      ({ state, runs, waiting }) => state !== 'queued' || runs.length > 0 || waiting !== null,
    );
    await system.post(`/api/tasks/${refused.id}/cancel`);
    await askEverything(task.id);
  }

  async function signIn(password: string, status: number): Promise<void> {
    const response = await fetch(`${system.capstan.url}/api/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: system.capstan.url },
      body: JSON.stringify({ email: system.email, password }),
    });
    expect(response.status).toBe(status);
    heard.rest.push(await response.text());
  }

  /** Every reading route, with whatever ids there are. */
  async function askEverything(taskId: string): Promise<void> {
    const detail = await system.detail(taskId);
    const params = {
      taskId,
      runId: detail.runs[0]!.id,
      pullRequestId: detail.pullRequest!.id,
      repositoryId: system.repositoryId(),
      requestId: taskId,
    };
    const paths = (Object.values(routes) as Route[])
      .filter(({ method }) => method === 'GET')
      .map((each) => pathOf(each, params));
    for (const path of [...paths, '/api/openapi.json', '/', `/tasks/${taskId}`, '/metrics', '/healthz']) {
      const response = await fetch(system.capstan.url + path, {
        headers: { authorization: `Bearer ${system.capstan.token}` },
      });
      heard.rest.push(`${path} ${JSON.stringify([...response.headers])} ${await response.text()}`);
      expect({ path, broken: response.status >= 500 }).toEqual({ path, broken: false });
    }
  }
});

function filesBelow(directory: string): string[] {
  return (unlessGone(() => readdirSync(directory)) ?? []).flatMap((name) => {
    const path = join(directory, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return filesBelow(path);
    return stat?.isFile() ? [path] : [];
  });
}

function textOf(file: string): string {
  return unlessGone(() => readFileSync(file, 'latin1')) ?? '';
}

/** The system is at work meanwhile: NATS renames its drafts, and worktrees go. What is gone can hold no secret. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
