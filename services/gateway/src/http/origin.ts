import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { UserError } from '@capstan/domain';

export interface Doorways {
  /** Where people reach the gateway, e.g. `https://capstan.example.org`; null for this machine alone. */
  readonly publicUrl: string | null;
  /** Further host names that are served. */
  readonly allowedHosts: readonly string[];
}

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** True when the peer is a process of this machine that speaks for itself: not a proxy that runs beside. */
export function isLocal(request: IncomingMessage): boolean {
  const { headers, socket } = request;
  const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);
  return isLoopbackAddress(socket.remoteAddress ?? '') && !forwarded && LOOPBACK_NAMES.has(nameOf(headers.host ?? ''));
}

export function isLoopbackAddress(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '');
  return plain === '::1' || /^127\./.test(plain);
}

/** The host name of a Host header, without its port. */
export function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}

/** Refuses a name that isn't ours (DNS rebinding). Addresses can't be rebound: the one that was reached is allowed. */
export function assertHost(request: IncomingMessage, doorways: Doorways): void {
  const name = nameOf(request.headers.host ?? '');
  const allowed =
    LOOPBACK_NAMES.has(name) ||
    (doorways.publicUrl !== null && name === new URL(doorways.publicUrl).hostname) ||
    doorways.allowedHosts.includes(name) ||
    isReached(name, request.socket.localAddress ?? '');
  if (!allowed)
    throw new UserError('This host name is not served here', {
      code: 'host_not_allowed',
      status: 403,
    });
}

function isReached(name: string, localAddress: string): boolean {
  const address = name.replace(/^\[|\]$/g, '');
  return isIP(address) !== 0 && address === localAddress.replace(/^::ffff:/, '');
}

/** Refuses what a page of another site sends: writes and websocket handshakes whose Origin isn't the Host. */
export function assertOrigin(request: IncomingMessage, doorways: Doorways, handshake = false): void {
  if (!handshake && SAFE.has(request.method ?? 'GET')) return;
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const foreign =
    origin === undefined
      ? site !== undefined && site !== 'same-origin' && site !== 'none'
      : originHost(origin) !== (host ?? '').toLowerCase() &&
        (doorways.publicUrl === null || origin !== new URL(doorways.publicUrl).origin);
  if (foreign)
    throw new UserError('The request comes from a page of another site', {
      code: 'origin_not_allowed',
      status: 403,
    });
}

function originHost(origin: string): string {
  try {
    return new URL(origin).host;
  } catch {
    return '';
  }
}
