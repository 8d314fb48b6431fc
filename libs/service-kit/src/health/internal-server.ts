import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UserError } from '@capstan/domain';
import type { Metrics } from '../telemetry/metrics.js';
import type { Health } from './health.js';

export interface InternalServer {
  /** `http://host:port`. */
  readonly url: string;
  close(): Promise<void>;
}

export interface InternalServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
}

/**
 * Health and metrics on a port of their own, never the public one.
 * `/livez` the process answers · `/readyz` it should get requests (503 else) · `/healthz` every check · `/metrics`.
 * @throws UserError `port_taken`.
 */
export async function openInternalServer(options: InternalServerOptions): Promise<InternalServer> {
  const { host, port, health, metrics } = options;
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? '/', 'http://internal').pathname, response, health, metrics).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(path: string, response: ServerResponse, health: Health, metrics: Metrics): Promise<void> {
  switch (path) {
    case '/livez':
      return json(response, 200, { status: 'ok' });
    case '/readyz':
    case '/healthz': {
      const report = await health.report();
      return json(response, report.status === 'failing' ? 503 : 200, report);
    }
    case '/metrics':
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(await metrics.render());
      return;
    default:
      return json(response, 404, { status: 'not found', paths: ['/livez', '/readyz', '/healthz', '/metrics'] });
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new UserError(`health and metrics can't be served on ${host}:${port} (${cause.code ?? cause.message})`, {
          code: 'port_taken',
          field: 'CAPSTAN_INTERNAL_PORT',
          remedy: 'Set CAPSTAN_INTERNAL_PORT to a free port, or to 0 for any.',
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
