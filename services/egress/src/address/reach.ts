import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorText } from '@capstan/domain';
import { decideAddress, type AddressFault, type AddressTrust } from '@capstan/service-kit';
import { isMeant, shownHost, type HostPort, type HostRule } from '../forward/host-rule.js';
import type { Refusal } from '../server/refusal.js';
import type { Resolve } from './resolver.js';

/** A connection stands after this, or is given up. ms */
export const CONNECT_MS = 10_000;
/** Each address of a name is tried for so long before the next. ms */
const ATTEMPT_MS = 3_000;

/** Addresses that were checked, and nothing else to connect to. */
export interface Checked extends HostPort {
  readonly addresses: readonly string[];
}

/** Resolves names and checks what they lead to. */
export class Reach {
  constructor(
    private readonly resolve: Resolve,
    private readonly privateHosts: readonly HostRule[],
  ) {}

  /**
   * The addresses of a host that may be connected to. Call it for each connection and connect to its answer, never to the
   * name: a name may lead elsewhere a moment later.
   * @param trust `private` for a host that a person set as the address of a model.
   */
  async check(target: HostPort, trust: AddressTrust = 'public'): Promise<Checked | Refusal> {
    const trusted = this.privateHosts.some((rule) => isMeant(rule, target)) ? 'private' : trust;
    let found: readonly string[];
    try {
      found = isIP(target.host) ? [target.host] : await this.resolve(target.host);
    } catch (error) {
      return unresolved(target, errorText(error));
    }
    if (found.length === 0) return unresolved(target, 'the name has no address');
    const own = ownAddresses();
    const faults = found.map((address) => decideAddress(address, trusted, own));
    const addresses = found.filter((_, index) => faults[index] === null);
    return addresses.length > 0 ? { ...target, addresses } : refusedAddress(target, faults[0]!);
  }
}

/** Connects to one of the checked addresses. Rejects when none answers within ten seconds. */
export function connectTo({ host, port, addresses }: Checked, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...checkedConnection(addresses), allowHalfOpen: true, noDelay: true });
    const give = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const abort = (): void => give(new Error('given up'));
    const timer = setTimeout(() => give(new Error('no connection within ten seconds')), CONNECT_MS);
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', give);
    socket.once('connect', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.off('error', give);
      resolve(socket);
    });
  });
}

/** What makes a socket of node connect to the checked addresses, by whatever name. */
export function checkedConnection(addresses: readonly string[]): {
  readonly lookup: LookupFunction;
  readonly autoSelectFamily: true;
  readonly autoSelectFamilyAttemptTimeout: number;
} {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return {
    lookup: (_name, options, done) =>
      options.all === true ? done(null, found) : done(null, found[0]!.address, found[0]!.family),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
  };
}

/** Nobody answers at an allowed host. */
export function unreachableHost(target: HostPort, error: unknown): Refusal {
  return {
    reason: 'unreachable',
    status: 502,
    words: `${shownHost(target)} can't be reached: ${errorText(error)}. The host is allowed; it or the network is down.`,
  };
}

const ADDRESS_WORDS: Readonly<Record<AddressFault, string>> = {
  address_metadata: 'the name leads to a link-local or metadata address, which nothing may reach',
  address_own: 'the name leads to this machine itself',
  address_private:
    'the name leads to an address that is not of the public internet. Hosts of the house are named in CAPSTAN_EGRESS_PRIVATE_HOSTS by the operator',
};

function refusedAddress(target: HostPort, reason: AddressFault): Refusal {
  return { reason, status: 403, words: `${shownHost(target)} is blocked: ${ADDRESS_WORDS[reason]}.` };
}

function unresolved(target: HostPort, why: string): Refusal {
  return {
    reason: 'name_unresolved',
    status: 502,
    words: `${target.host} can't be found: ${why}. The host is allowed; check the name.`,
  };
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)));
}
