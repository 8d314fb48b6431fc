import { isIP } from 'node:net';
import type { Refusal } from '../server/refusal.js';
import type { ClientHello } from './client-hello.js';
import { shownHost, type HostPort } from './host-rule.js';

/** The port on which nothing but TLS is spoken. */
const TLS_PORT = 443;

/**
 * Whether a tunnel may begin so. Behind one address of a big provider there are the sites of many: without this an agent
 * would ask for an allowed host and then, by the name in TLS, speak to its own site at the same provider. Null: it may.
 */
export function decideFirstBytes(target: HostPort, hello: ClientHello): Refusal | null {
  if (hello.kind !== 'tls') return target.port === TLS_PORT ? refused(target, 'what was sent is no TLS') : null;
  const name = hello.name?.toLowerCase().replace(/\.$/, '') ?? null;
  if (name === target.host || (name === null && isIP(target.host) !== 0)) return null;
  return refused(
    target,
    name === null ? 'TLS names no server, or several' : `TLS names ${JSON.stringify(name)} instead`,
  );
}

function refused(target: HostPort, what: string): Refusal {
  return {
    reason: 'tls_name_differs',
    status: 403,
    words: `the tunnel to ${shownHost(target)} is closed: ${what}. Ask for the host that is meant.`,
  };
}
