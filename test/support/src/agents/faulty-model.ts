import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A model endpoint that refuses, or never answers: what a scripted one can't do. */
export class FaultyModel {
  private constructor(
    private readonly server: Server,
    /** Paths that were asked for, in order. */
    readonly asked: readonly string[],
  ) {}

  /** @param fault what every request is answered with; `hang`: nothing, ever */
  static async start(
    fault:
      { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: object } | 'hang',
  ): Promise<FaultyModel> {
    const asked: string[] = [];
    const server = createServer((request, response: ServerResponse) => {
      asked.push(request.url ?? '');
      request.resume();
      if (fault === 'hang') return;
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
      response.end(JSON.stringify(fault.body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FaultyModel(server, asked);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** The body of a refused key, in the words of each provider at once. */
export const REFUSED_KEY = {
  status: 401,
  body: {
    type: 'error',
    error: {
      type: 'authentication_error',
      message: 'invalid x-api-key',
      code: 401,
      status: 'UNAUTHENTICATED',
    },
  },
} as const;
