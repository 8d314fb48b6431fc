import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Server, type Namespace, type Socket } from 'socket.io';
import { z } from 'zod';
import {
  IdSchema,
  LIVE_NAMESPACE,
  LIVE_PATH,
  type ClientToServer,
  type Links,
  type ServerToClient,
} from '@capstan/api';
import { errorText, UserError, type Id } from '@capstan/domain';
import { Database } from '@capstan/database';
import { Broker } from '@capstan/jetstream';
import { CONFIG, LOGGER, Loops, METRICS, type Logger, type Metrics } from '@capstan/service-kit';
import { assertPermission, Authenticator } from '../access/authenticator.js';
import { stillGood } from '../access/sessions.js';
import type { GatewayConfig } from '../gateway.config.js';
import type { Caller } from '../http/ask.js';
import { assertHost, assertOrigin } from '../http/origin.js';
import { EventTail } from './event-tail.js';
import { Coalescer, staleAfter } from './invalidations.js';
import { LogFeeds } from './log-feeds.js';

interface SocketData {
  caller: Caller;
  runs: Set<Id>;
}
type LiveSocket = Socket<ClientToServer, ServerToClient, Record<string, never>, SocketData>;
type LiveNamespace = Namespace<ClientToServer, ServerToClient, Record<string, never>, SocketData>;
type LiveServer = Server<ClientToServer, ServerToClient, Record<string, never>, SocketData>;

/** How often the links are looked at, ms. */
const LINKS_EVERY_MS = 1_000;
/** How often the sessions behind the sockets are looked at, ms. */
const SESSIONS_EVERY_MS = 30_000;
/** A browser that takes no more than this is cut off; it comes back and reads on by REST. bytes */
const MAX_BUFFERED_BYTES = 8 * 1_048_576;
/** Logs that one socket follows at the same time. */
const MAX_FOLLOWED = 20;

const RunRequest = z.strictObject({ runId: IdSchema });

/** The live door: what changed, and the lines of followed logs. Each replica serves its own sockets alone. */
@Injectable()
export class Live implements OnModuleDestroy {
  private io: LiveServer | undefined;
  private sockets: LiveNamespace | undefined;
  private links: Links = { postgres: true, nats: true };
  private readonly stale = new Coalescer(({ workspaceId, invalidation }) => {
    const to = workspaceId === null ? this.sockets : this.sockets?.to(`workspace:${workspaceId}`);
    to?.emit('invalidate', invalidation);
  });
  private readonly forget: (() => void)[] = [];

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly loops: Loops,
    private readonly authenticator: Authenticator,
    private readonly events: EventTail,
    private readonly feeds: LogFeeds,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(METRICS) metrics: Metrics,
  ) {
    metrics.gauge('capstan_live_clients', 'Browsers on the live door', (gauge) =>
      gauge.set(this.sockets?.sockets.size ?? 0),
    );
  }

  /** Opens the door on the gateway's own server; called once, before it listens. */
  attach(server: HttpServer): void {
    const io: LiveServer = new Server(server, {
      path: LIVE_PATH,
      transports: ['websocket'],
      serveClient: false,
      maxHttpBufferSize: 65_536,
      perMessageDeflate: false,
      pingInterval: 10_000,
      pingTimeout: 10_000,
      allowRequest: (request, answer) => this.mayShakeHands(request, answer),
    });
    const sockets: LiveNamespace = io.of(LIVE_NAMESPACE);
    sockets.use((socket, next) => void this.admit(socket, next));
    sockets.on('connection', (socket) => this.welcome(socket));
    this.io = io;
    this.sockets = sockets;
    this.feeds.deliverTo({
      lines: (workspaceId, batch) => {
        this.dropTheSlow(batch.runId);
        sockets.to(logRoom(workspaceId, batch.runId)).emit('log', batch);
      },
      head: (workspaceId, head) => void sockets.to(logRoom(workspaceId, head.runId)).emit('head', head),
    });
    this.forget.push(
      this.events.on((event, payload) => {
        const stale = staleAfter(event, payload);
        if (stale !== null) this.stale.add(stale);
      }),
      // A client that hears of a restored link reads again what it shows.
      this.events.onGap(
        () => sockets.emit('links', { ...this.links, nats: false }) && sockets.emit('links', this.links),
      ),
    );
    this.loops.every({ name: 'live links', everyMs: LINKS_EVERY_MS, pass: () => this.lookAtLinks() });
    this.loops.every({ name: 'live sessions', everyMs: SESSIONS_EVERY_MS, pass: () => this.dropStrangers() });
  }

  /** A session or token is gone: so are its sockets, here at once and on other replicas within 30 s. */
  dropCredential(credentialId: Id): void {
    for (const socket of this.sockets?.sockets.values() ?? [])
      if (socket.data.caller.credentialId === credentialId) socket.disconnect(true);
  }

  async onModuleDestroy(): Promise<void> {
    for (const each of this.forget) each();
    this.stale.close();
    // Not "disconnected by the server", after which browsers stay away: they come back to whoever is up next.
    this.io?.engine.close();
  }

  private mayShakeHands(request: IncomingMessage, answer: (error: string | null, allowed: boolean) => void): void {
    try {
      assertHost(request, this.config);
      assertOrigin(request, this.config, true);
      answer(null, true);
    } catch (error) {
      answer(errorText(error), false);
    }
  }

  private async admit(socket: LiveSocket, next: (error?: Error) => void): Promise<void> {
    try {
      const { token } = socket.handshake.auth as { token?: unknown };
      const given = typeof token === 'string' && token.length <= 300 ? token : undefined;
      const found = await this.authenticator.whoAsks(socket.request, given);
      assertPermission(found?.caller ?? null, 'task.read');
      socket.data.caller = found!.caller;
      socket.data.runs = new Set();
      next();
    } catch (error) {
      if (error instanceof UserError) return next(Object.assign(new Error(error.code), { data: { code: error.code } }));
      this.logger.warn({ reason: errorText(error) }, 'a live client has to wait');
      // A broken connection is tried again by itself, a refusal isn't.
      socket.conn.close();
    }
  }

  private welcome(socket: LiveSocket): void {
    void socket.join(`workspace:${socket.data.caller.workspaceId}`);
    socket.emit('links', this.links);
    socket.on('follow', (request, answer) => {
      if (typeof answer !== 'function') return;
      this.follow(socket, request).then(answer, (error: unknown) => {
        this.logger.warn({ reason: errorText(error) }, 'a log can not be followed yet');
        answer({ error: 'unavailable' });
      });
    });
    socket.on('unfollow', (request) => {
      const parsed = RunRequest.safeParse(request);
      if (parsed.success) this.unfollow(socket, parsed.data.runId);
    });
    socket.on('disconnect', () => {
      for (const runId of socket.data.runs) this.feeds.leave(runId, socket.id);
      socket.data.runs.clear();
    });
  }

  private async follow(
    socket: LiveSocket,
    request: unknown,
  ): Promise<{ head: number; ended: boolean } | { error: string }> {
    const parsed = RunRequest.safeParse(request);
    if (!parsed.success) return { error: 'invalid_request' };
    const { runId } = parsed.data;
    const { runs, caller } = socket.data;
    if (!runs.has(runId) && runs.size >= MAX_FOLLOWED) return { error: 'too_many_followed' };
    runs.add(runId);
    // First the room, then the head: a line above the head can't fall in between. The room of a workspace that isn't
    // the run's gets nothing.
    await socket.join(logRoom(caller.workspaceId, runId));
    const found = await this.feeds.follow(caller.workspaceId, runId, socket.id).catch((error: unknown) => {
      this.unfollow(socket, runId);
      throw error;
    });
    if (found === null) this.unfollow(socket, runId);
    // It left while the head was read.
    else if (!runs.has(runId)) this.feeds.leave(runId, socket.id);
    return found ?? { error: 'run_not_found' };
  }

  private unfollow(socket: LiveSocket, runId: Id): void {
    socket.data.runs.delete(runId);
    this.feeds.leave(runId, socket.id);
    void socket.leave(logRoom(socket.data.caller.workspaceId, runId));
  }

  private dropTheSlow(runId: Id): void {
    for (const socket of this.sockets?.sockets.values() ?? [])
      if (socket.data.runs.has(runId) && bufferedBytes(socket) > MAX_BUFFERED_BYTES) socket.conn.close();
  }

  private async lookAtLinks(): Promise<void> {
    // Nobody looks, and nothing is wrong: whoever comes is told what was true last, and the rest within a second.
    const unasked = (this.sockets?.sockets.size ?? 0) === 0 && this.links.postgres;
    const postgres =
      unasked ||
      (await this.database.query('select 1').then(
        () => true,
        () => false,
      ));
    const links = { postgres, nats: this.broker.status().connected };
    if (links.postgres === this.links.postgres && links.nats === this.links.nats) return;
    this.links = links;
    this.logger.info(links, 'a link of the gateway changed');
    this.sockets?.emit('links', links);
  }

  private async dropStrangers(): Promise<void> {
    const sockets = [...(this.sockets?.sockets.values() ?? [])];
    const ids = new Set(sockets.map(({ data }) => data.caller.credentialId).filter((id) => id !== null));
    if (ids.size === 0) return;
    const good = await stillGood(this.database, [...ids]);
    for (const socket of sockets) {
      const { credentialId } = socket.data.caller;
      if (credentialId !== null && !good.has(credentialId)) socket.disconnect(true);
    }
  }
}

function logRoom(workspaceId: Id, runId: Id): string {
  return `log:${workspaceId}:${runId}`;
}

function bufferedBytes(socket: LiveSocket): number {
  const { transport } = socket.conn as unknown as { transport?: { socket?: { bufferedAmount?: number } } };
  return transport?.socket?.bufferedAmount ?? 0;
}
