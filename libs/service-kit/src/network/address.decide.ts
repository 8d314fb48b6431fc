import ipaddr from 'ipaddr.js';

export type AddressFault = 'address_metadata' | 'address_own' | 'address_private';

/**
 * How far an address is trusted. `public`: only what the internet routes · `private`: an operator or a person named the
 * host, so it may be in the house or on this machine.
 */
export type AddressTrust = 'public' | 'private';

/**
 * Where clouds tell a machine its secrets, beside all that is link-local: AWS over IPv6, Alibaba, Oracle, and Azure, whose
 * address looks like any other of the internet.
 */
const METADATA = new Set(['fd00:ec2::254', '100.100.100.200', '192.0.0.192', '168.63.129.16', 'fd20:ce::254']);

const PRIVATE = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat', 'unicast']);

/** The part of IPv6 that is given out at all; what is beside it wraps IPv4, or is somebody's own. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

/**
 * Why nothing may connect to an address; null: it may. What wraps another address (mapped, translated, tunnelled) is
 * refused without being unwrapped.
 * @param own addresses of this machine's interfaces: what listens there is Capstan's, or the operator's.
 */
export function decideAddress(text: string, trust: AddressTrust, own: ReadonlySet<string>): AddressFault | null {
  if (!ipaddr.isValid(text) || text.includes('%')) return 'address_private';
  const address = ipaddr.parse(text);
  const range = address.range();
  const usual = address.toString();
  if (METADATA.has(usual) || range === 'linkLocal') return 'address_metadata';
  if (trust === 'private') return PRIVATE.has(range) ? null : 'address_private';
  if (range !== 'unicast') return 'address_private';
  if (address.kind() === 'ipv6' && !address.match(GLOBAL_IPV6)) return 'address_private';
  return own.has(usual) ? 'address_own' : null;
}
