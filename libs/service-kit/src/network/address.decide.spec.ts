import fc from 'fast-check';
import { decideAddress } from './address.decide.js';

const none = new Set<string>();
const verdict = (address: string) => decideAddress(address, 'public', none) ?? 'usable';
const inHouse = (address: string) => decideAddress(address, 'private', none) ?? 'usable';

it.each(['1.1.1.1', '104.16.0.35', '2606:4700::6810:23', '2a04:4e42::223'])('%s is of the internet', (address) => {
  expect(verdict(address)).toBe('usable');
});

it.each([
  ['this network', '0.0.0.0', 'address_private'],
  ['loopback', '127.0.0.1', 'address_private'],
  ['loopback far up', '127.255.255.254', 'address_private'],
  ['private 10', '10.0.0.1', 'address_private'],
  ['private 172', '172.31.255.255', 'address_private'],
  ['private 192', '192.168.1.1', 'address_private'],
  ['carrier-grade', '100.64.0.1', 'address_private'],
  ['link-local, where clouds keep secrets', '169.254.169.254', 'address_metadata'],
  ['Alibaba', '100.100.100.200', 'address_metadata'],
  ['Azure', '168.63.129.16', 'address_metadata'],
  ['Oracle', '192.0.0.192', 'address_metadata'],
  ['AWS over IPv6', 'fd00:ec2::254', 'address_metadata'],
  ['AWS over IPv6, spelled at length', 'fd00:0ec2:0:0:0:0:0:0254', 'address_metadata'],
  ['multicast', '224.0.0.1', 'address_private'],
  ['broadcast', '255.255.255.255', 'address_private'],
  ['benchmarks', '198.18.0.1', 'address_private'],
  ['reserved', '240.0.0.1', 'address_private'],
  ['loopback 6', '::1', 'address_private'],
  ['unspecified 6', '::', 'address_private'],
  ['unique local', 'fd12:3456::1', 'address_private'],
  ['link-local 6', 'fe80::1', 'address_metadata'],
  ['with a zone', 'fe80::1%eth0', 'address_private'],
  ['site-local', 'fec0::1', 'address_private'],
  ['mapped', '::ffff:127.0.0.1', 'address_private'],
  ['mapped, public', '::ffff:1.1.1.1', 'address_private'],
  ['compatible', '::127.0.0.1', 'address_private'],
  ['translated', '64:ff9b::7f00:1', 'address_private'],
  ['translated locally', '64:ff9b:1::7f00:1', 'address_private'],
  ['6to4', '2002:7f00:1::', 'address_private'],
  ['Teredo', '2001:0:1::1', 'address_private'],
  ['documentation', '2001:db8::1', 'address_private'],
  ['no address', 'localhost', 'address_private'],
])('%s (%s) is refused: %s', (_what, address, fault) => {
  expect(verdict(address)).toBe(fault);
});

it('what a person trusts may be in the house, and is never link-local, metadata or many', () => {
  for (const address of ['127.0.0.1', '::1', '10.1.2.3', '192.168.0.4', 'fd12::1', '100.64.0.9', '1.1.1.1'])
    expect(inHouse(address)).toBe('usable');
  for (const address of ['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200'])
    expect(inHouse(address)).toBe('address_metadata');
  for (const address of ['0.0.0.0', '224.0.0.1', '::ffff:10.0.0.1', '255.255.255.255', '2002:a00:1::'])
    expect(inHouse(address)).toBe('address_private');
});

it('an address of this machine is none of the outside, however public', () => {
  expect(decideAddress('1.2.3.4', 'public', new Set(['1.2.3.4']))).toBe('address_own');
});

it('no address below a private prefix passes', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const prefix = fc.constantFrom('10', '127', '0', '169.254', '192.168', '172.16', '100.64', '224', '240');
  fc.assert(
    fc.property(prefix, octet, octet, octet, (head, ...tail) => {
      const parts = [...head.split('.'), ...tail.map(String)].slice(0, 4);
      expect(verdict(parts.join('.'))).not.toBe('usable');
      expect(verdict(`::ffff:${parts.join('.')}`)).not.toBe('usable');
    }),
  );
});
