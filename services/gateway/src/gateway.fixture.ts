import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io, type Socket } from 'socket.io-client';
import {
  LIVE_NAMESPACE,
  type ClientToServer,
  type LogPage,
  type Me,
  type ParkedPage,
  type ParkedRow,
  type Problem,
  type ServerToClient,
  type Task,
  type TaskDetail,
  type TaskRequest,
} from '@capstan/api';
import { migrate, newId, type Database } from '@capstan/database';
import type { Id } from '@capstan/domain';
import type { Broker } from '@capstan/jetstream';
import { openHost, type Host, type RunningService } from '@capstan/service-kit';
import { testDatabase, testNats, type TestDatabase } from '@capstan/test-support';
import { hashPassword } from './access/password.js';
import { openSession } from './access/sessions.js';
import * as gateway from './main.js';

export const SET_UP_TOKEN = 'spec-set-up-7b1c9d04e8f2a6b3';
export const CLI_TOKEN = 'spec-terminal-04e8f2a6b37b1c9d';

export interface SignedInUser {
  readonly userId: Id;
  readonly workspaceId: Id;
  readonly cookie: string;
}

/**
 * Every field that a spec reads of an answer, whichever route it is of: there where the route's schema has it. What they
 * hold is asserted by the specs; the schemas themselves are laid over every answer by the routes' own spec.
 */
type AnswerBody = Problem &
  Pick<TaskDetail, 'id' | 'shortId' | 'state' | 'repository' | 'actions' | 'dependsOn' | 'neededBy' | 'waiting'> &
  Pick<Me, 'user' | 'workspace'> &
  Pick<TaskRequest, 'answer'> &
  Pick<ParkedPage, 'counts' | 'total'> & {
    readonly items: (AnswerBody &
      Pick<ParkedRow, 'kind' | 'subject' | 'holds' | 'lastError'> &
      Pick<Task, 'attention'>)[];
    readonly columns: readonly { readonly column: string; readonly total: number; readonly items: Task[] }[];
    readonly lines: LogPage['lines'];
    readonly next: string | null;
    readonly token: string;
    readonly path: string;
    readonly pausedAt: string | null;
    readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What came as JSON; undefined for anything else. */
  readonly body: AnswerBody;
}

export interface Asked {
  readonly as?: SignedInUser | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A gateway of a spec's own over a database of its own, with all its log lines kept. */
export class TestGateway {
  readonly lines: string[] = [];
  private host: Host | undefined;
  private service: RunningService | undefined;
  readonly webDir = mkdtempSync(join(tmpdir(), 'capstan-web-'));

  private constructor(
    private readonly testDb: TestDatabase,
    private readonly env: Readonly<Record<string, string>>,
    readonly nats: { readonly url: string; readonly prefix: string },
  ) {
    mkdirSync(join(this.webDir, '_app/immutable'), { recursive: true });
    writeFileSync(
      join(this.webDir, 'index.html'),
      '<!doctype html><script src="/theme.js"></script><script>go()</script>',
    );
    writeFileSync(join(this.webDir, '_app/immutable/a.js'), 'export {};');
  }

  static async start(env: Readonly<Record<string, string>> = {}, nats = testNats()): Promise<TestGateway> {
    const gateway = new TestGateway(await testDatabase({ migrate }), env, nats);
    await gateway.start();
    return gateway;
  }

  /** @param port of the former life, so that clients find it again. */
  async start(port = 0): Promise<void> {
    this.host = await openHost({
      env: {
        CAPSTAN_DATABASE_URL: this.testDb.url,
        CAPSTAN_DATABASE_POOL_SIZE: '20',
        CAPSTAN_NATS_URL: this.nats.url,
        CAPSTAN_NATS_PREFIX: this.nats.prefix,
        CAPSTAN_ENCRYPTION_KEY: 'W8yMXV2n0n1wq0mZb6hUOYdQy0mCJp2hTj8cV6t1rXk=',
        CAPSTAN_INTERNAL_PORT: '0',
        CAPSTAN_LOG_LEVEL: 'debug',
        CAPSTAN_PORT: String(port),
        CAPSTAN_WEB_DIR: this.webDir,
        CAPSTAN_SETUP_TOKEN: SET_UP_TOKEN,
        CAPSTAN_CLI_TOKEN: CLI_TOKEN,
        CAPSTAN_PUBLIC_RATE_PER_MINUTE: '100000',
        CAPSTAN_STRICT_ANSWERS: 'true',
        ...this.env,
      },
      services: [gateway],
      write: (line) => void this.lines.push(line),
    });
    this.service = await this.host.start(gateway);
  }

  /** Ends it as a stop of the host does. */
  async stop(): Promise<void> {
    await this.host?.close(1_000);
    this.host = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.testDb.close();
    rmSync(this.webDir, { recursive: true, force: true });
  }

  get url(): string {
    return this.service!.url!;
  }
  get port(): number {
    return Number(new URL(this.url).port);
  }
  get database(): Database {
    return this.host!.database;
  }
  get broker(): Broker {
    return this.host!.broker;
  }
  get<T>(token: Parameters<RunningService['get']>[0]): T {
    return this.service!.get<T>(token as never);
  }

  async ask(method: string, path: string, { as, json, raw, headers = {} }: Asked = {}): Promise<Answer> {
    const body = json === undefined ? raw : JSON.stringify(json);
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(as === undefined ? {} : { cookie: as.cookie }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (response.status === 500) throw new Error(`${method} ${path} broke: ${this.errors().at(-1)?.slice(0, 1_500)}`);
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (/json/.test(type) && text !== '' ? JSON.parse(text) : undefined) as AnswerBody,
    };
  }

  /** What was logged as an error. */
  errors(): string[] {
    return this.lines.filter((line) => line.includes('"level":"error"'));
  }

  /** Somebody in a workspace (a new one unless told), signed in, straight in the database. */
  async aUser(
    over: { role?: 'admin' | 'member' | 'viewer'; workspaceId?: Id; email?: string; password?: string } = {},
  ): Promise<SignedInUser> {
    const userId = newId();
    const workspaceId = over.workspaceId ?? newId();
    const email = over.email ?? `${userId}@example.org`;
    const passwordHash = over.password === undefined ? 'none' : await hashPassword(over.password);
    const session = await this.database.transaction(async (tx) => {
      if (over.workspaceId === undefined)
        await tx.query('insert into workspace (id, name, slug) values ($1, $2, $3)', [
          workspaceId,
          'Spec',
          workspaceId,
        ]);
      await tx.query('insert into "user" (id, email, name, password_hash) values ($1,$2,$3,$4)', [
        userId,
        email,
        'Ada',
        passwordHash,
      ]);
      await tx.query('insert into membership (workspace_id, user_id, role) values ($1,$2,$3)', [
        workspaceId,
        userId,
        over.role ?? 'admin',
      ]);
      return openSession(tx, userId, workspaceId);
    });
    return { userId, workspaceId, cookie: `capstan_session=${session}` };
  }

  /** A browser that is connected to the live door. */
  live(as: SignedInUser | undefined, origin = this.url): Socket<ServerToClient, ClientToServer> {
    return io(`${this.url}${LIVE_NAMESPACE}`, {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 10,
      reconnectionDelayMax: 100,
      randomizationFactor: 0,
      extraHeaders: { origin, ...(as === undefined ? {} : { cookie: as.cookie }) },
    });
  }
}
