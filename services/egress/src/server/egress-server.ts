import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TransientError, UserError, errorText } from '@capstan/domain';
import type { Logger, Metrics } from '@capstan/service-kit';
import { answerRefusal, refuseTunnel } from './answers.js';
import type { Door, TunnelDoor } from './door.js';
import type { Refusal } from './refusal.js';
import { listenOnSocket } from './unix-socket.js';

/** What an idle client connection is kept for. ms */
const KEEP_ALIVE_MS = 65_000;
/** Within this the headers of a request have come. ms */
const HEADERS_MS = 30_000;
/** Connections of all agents together; more wait in the kernel. */
const MAX_CONNECTIONS = 10_000;

export interface EgressServerOptions {
  readonly host: string;
  readonly port: number;
  readonly socket: string;
  /** In the order in which they are asked. */
  readonly doors: readonly Door[];
  readonly tunnels: TunnelDoor;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The same doors on a TCP port and on a Unix socket. Plain node:http: Nest has no CONNECT and would read bodies. */
export class EgressServer {
  private readonly servers: readonly Server[];
  private readonly clients = new Set<Duplex>();
  private readonly asked;

  constructor(private readonly options: EgressServerOptions) {
    this.asked = options.metrics.counter('capstan_egress_requests_total', 'Requests of agents, by door and status');
    this.servers = [this.server(), this.server()];
  }

  /** Of the TCP port; empty before {@link open}. */
  get url(): string {
    const address = this.servers[0]!.address() as AddressInfo | null;
    if (address === null) return '';
    const { host } = this.options;
    const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    return `http://${shown.includes(':') ? `[${shown}]` : shown}:${address.port}`;
  }

  /** @throws UserError `port_taken`, `egress_socket`. */
  async open(): Promise<void> {
    const [tcp, unix] = this.servers as [Server, Server];
    await listenOnPort(tcp, this.options);
    try {
      await listenOnSocket(unix, this.options.socket);
    } catch (error) {
      tcp.close();
      throw error;
    }
    this.options.logger.info({ url: this.url, socket: this.options.socket }, 'agents reach the outside here');
  }

  /** Takes nobody any more, waits for requests under way up to `graceMs`, then cuts them: agents ask again. */
  async close(graceMs: number): Promise<void> {
    const ends = this.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of this.servers) server.closeIdleConnections();
    const cut = setTimeout(() => this.cut(), graceMs);
    await Promise.all(ends);
    this.cut();
    clearTimeout(cut);
  }

  private cut(): void {
    for (const server of this.servers) server.closeAllConnections();
    for (const client of this.clients) client.destroy();
  }

  private server(): Server {
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS, requestTimeout: 0 });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', (request, response) => void this.answer(request, response));
    server.on('connect', (request, client, head) => void this.connect(request, client as Socket, head));
    server.on('clientError', (_error, client) => {
      if (client.writable) client.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      else client.destroy();
    });
    return server;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const door = this.options.doors.find((each) => each.takes(request));
    response.on('error', () => response.destroy());
    response.once('close', () => this.asked.add({ door: door?.name ?? 'none', status: String(response.statusCode) }));
    try {
      if (door === undefined) answerRefusal(request, response, NO_DOOR);
      else await door.handle(request, response);
    } catch (error) {
      answerRefusal(request, response, this.fault(error));
    }
  }

  private async connect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    this.clients.add(client);
    client.on('error', () => client.destroy());
    client.once('close', () => this.clients.delete(client));
    try {
      await this.options.tunnels.connect(request, client, head);
    } catch (error) {
      refuseTunnel(client, this.fault(error));
    }
  }

  private fault(error: unknown): Refusal {
    if (error instanceof TransientError) {
      this.options.logger.warn({ err: error }, `egress can't serve now: ${errorText(error)}`);
      return UNAVAILABLE;
    }
    this.options.logger.error({ err: error }, `egress failed: ${errorText(error)}`);
    return { ...UNAVAILABLE, status: 500, words: 'Capstan itself has a fault; its log says more.' };
  }
}

const NO_DOOR: Refusal = {
  reason: 'not_understood',
  status: 404,
  words:
    'there is nothing here. Ask through it as a proxy (HTTP_PROXY, HTTPS_PROXY), for a model at /model/anthropic, /model/openai or /model/gemini, or with git at /git/OWNER/NAME.git.',
};
const UNAVAILABLE: Refusal = {
  reason: 'unavailable',
  status: 503,
  words: 'Capstan can not look up the run now, because its database is away. Try again in some seconds.',
  retryAfter: 3,
};

function listenOnPort(server: Server, { port, host }: EgressServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new UserError(`port ${port} of ${host} is taken`, {
              code: 'port_taken',
              status: 409,
              field: 'CAPSTAN_EGRESS_PORT',
              remedy: 'Stop what listens there, or set CAPSTAN_EGRESS_PORT to a free port.',
              cause,
            })
          : cause,
      ),
    );
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}
