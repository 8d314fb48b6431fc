import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { LiveRun, LiveRuns } from '../admit/live-runs.js';
import type { Places } from '../admit/places.js';
import type { Checked, Reach } from '../address/reach.js';
import type { Recorder } from '../record/recorder.js';
import { answerRefusal, refuseTunnel } from '../server/answers.js';
import type { Door, TunnelDoor } from '../server/door.js';
import { isRefusal, type Refusal } from '../server/refusal.js';
import { decideHost } from './allow.decide.js';
import { hostPort, type HostPort } from './host-rule.js';
import { passRequest } from './plain-request.js';
import { passTunnel } from './tunnel.js';

export interface ForwardPorts {
  readonly runs: LiveRuns;
  readonly reach: Reach;
  readonly recorder: Recorder;
  readonly places: Places;
}

/** A request that was admitted, with where it goes. */
export interface Admitted {
  readonly run: LiveRun;
  readonly target: Checked;
  readonly client: string | undefined;
}

const UNREADABLE: HostPort = { host: '(not understood)', port: 0 };

/** The proxy: `CONNECT host:port`, and requests in absolute form, for hosts that the run may reach. */
export class ForwardDoor implements Door, TunnelDoor {
  readonly name = 'forward';

  constructor(private readonly ports: ForwardPorts) {}

  takes({ url = '' }: IncomingMessage): boolean {
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(url);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.canParse(request.url ?? '') ? new URL(request.url!) : null;
    const readable = url !== null && url.protocol === 'http:' && url.username === '' && url.password === '';
    const target = readable ? hostPort(url.host, 80) : null;
    const admitted = await this.admit(request, target, NOT_HTTP);
    if (isRefusal(admitted)) return answerRefusal(request, response, admitted);
    const leave = this.ports.places.take(admitted.run.id, () => response.destroy());
    if (leave === null) return answerRefusal(request, response, this.tooMany(admitted));
    response.once('close', leave);
    const flow = this.ports.recorder.allowed(admitted.run, admitted.target, admitted.client);
    const refusal = await passRequest(request, response, url!, admitted.target, flow);
    if (refusal !== null) answerRefusal(request, response, refusal);
  }

  async connect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const admitted = await this.admit(request, hostPort(request.url ?? ''), NOT_A_HOST);
    if (isRefusal(admitted)) return refuseTunnel(client, admitted);
    const leave = this.ports.places.take(admitted.run.id, () => client.destroy());
    if (leave === null) return refuseTunnel(client, this.tooMany(admitted));
    client.once('close', leave);
    if (client.destroyed) leave();
    const blocked = (refusal: Refusal): void => this.note(admitted, refusal);
    const flow = this.ports.recorder.allowed(admitted.run, admitted.target, admitted.client);
    const refusal = await passTunnel({ client, head, target: admitted.target, flow, blocked });
    if (refusal !== null) refuseTunnel(client, refusal);
  }

  /** Who asks, for what, and where that is; what is refused to a known run is recorded. */
  private async admit(
    request: IncomingMessage,
    target: HostPort | null,
    unreadable: Refusal,
  ): Promise<Admitted | Refusal> {
    const run = await this.ports.runs.admit(proxyToken(request));
    if (isRefusal(run)) return run;
    const client = request.headers['user-agent'];
    const found =
      target === null ? unreadable : (decideHost(target, run.rules) ?? (await this.ports.reach.check(target)));
    if (!isRefusal(found)) return { run, target: found, client };
    this.ports.recorder.blocked(run, target ?? UNREADABLE, found.reason, client);
    return found;
  }

  private tooMany(admitted: Admitted): Refusal {
    this.note(admitted, TOO_MANY);
    return TOO_MANY;
  }

  private note({ run, target, client }: Admitted, { reason }: Refusal): void {
    this.ports.recorder.blocked(run, target, reason, client);
  }
}

/** `Basic base64(user:token)`, whatever the user is called. */
function proxyToken({ headers }: IncomingMessage): string | undefined {
  const [, text] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(headers['proxy-authorization'] ?? '') ?? [];
  if (text === undefined) return headers['proxy-authorization'] === undefined ? undefined : 'unreadable';
  return Buffer.from(text, 'base64').toString('utf8').split(':').slice(1).join(':');
}

const NOT_HTTP: Refusal = {
  reason: 'not_understood',
  status: 400,
  words: 'only addresses such as http://host/path are asked for so; everything else goes through CONNECT host:port.',
};
const NOT_A_HOST: Refusal = {
  reason: 'not_understood',
  status: 400,
  words: 'CONNECT names a host and a port, such as registry.npmjs.org:443.',
};
const TOO_MANY: Refusal = {
  reason: 'too_many',
  status: 429,
  words: 'the run has too many connections open. Close some, and try again.',
  retryAfter: 1,
};
