import { connect as connectTls } from 'node:tls';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { readClientHello } from './client-hello.js';
import { decideFirstBytes } from './first-bytes.decide.js';

/** The first bytes of node's own TLS, which is what most clients here are. */
async function hello(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => undefined, write: (chunk: Buffer) => resolve(chunk) });
    connectTls({ socket: wire, servername }).on('error', () => undefined);
  });
}

let bytes: Buffer;
beforeAll(async () => (bytes = await hello('registry.npmjs.org')));

it('reads the name that a client wants', () => {
  expect(readClientHello(bytes)).toEqual({ kind: 'tls', name: 'registry.npmjs.org' });
  expect(readClientHello(Buffer.concat([bytes, Buffer.from('what follows')]))).toEqual(expect.anything());
});

it('finds none where there is none', async () => {
  expect(readClientHello(await hello(''))).toEqual({ kind: 'tls', name: null });
});

it('wants more until it is whole, wherever it is cut', () => {
  for (let length = 0; length < bytes.length; length += 1)
    expect(readClientHello(bytes.subarray(0, length))).toEqual({ kind: 'more' });
});

it('reads it in as many records as it comes in', () => {
  const body = bytes.subarray(5);
  const pieces = [body.subarray(0, 3), body.subarray(3, 60), body.subarray(60)];
  const records = pieces.map((piece) =>
    Buffer.concat([Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece]),
  );
  expect(readClientHello(Buffer.concat(records))).toEqual({ kind: 'tls', name: 'registry.npmjs.org' });
});

it.each([['GET / HTTP/1.1'], ['SSH-2.0-x'], ['\x16\x02'], ['\x15\x03\x03\x00\x02\x02\x28']])(
  '%j is no TLS hello',
  (text) => {
    expect(readClientHello(Buffer.from(text, 'latin1'))).toEqual({ kind: 'not_tls' });
  },
);

it('never fails, whatever is changed in it, and never ends in a name that is not there', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
      const changed = Buffer.from(bytes);
      for (const [at, value] of changes) changed[at] = value;
      const read = readClientHello(changed);
      if (read.kind === 'tls' && read.name !== null) expect(changed.toString('latin1')).toContain(read.name);
    }),
    { numRuns: 2_000 },
  );
});

describe('a tunnel to a host', () => {
  const target = { host: 'registry.npmjs.org', port: 443 };
  const reason = (name: string | null, to = target) => decideFirstBytes(to, { kind: 'tls', name })?.reason ?? 'fine';

  it('speaks TLS to that host and no other', () => {
    expect(reason('registry.npmjs.org')).toBe('fine');
    expect(reason('Registry.NPMJS.org.')).toBe('fine');
    for (const name of ['evil.example', 'npmjs.org', 'x.registry.npmjs.org', '', null])
      expect(reason(name)).toBe('tls_name_differs');
    expect(decideFirstBytes(target, { kind: 'not_tls' })?.words).toContain('no TLS');
  });

  it('by address has no name to go by', () => {
    expect(reason(null, { host: '10.0.0.7', port: 8443 })).toBe('fine');
    expect(reason('evil.example', { host: '10.0.0.7', port: 8443 })).toBe('tls_name_differs');
  });

  it('on a port of its own may speak anything but TLS to another', () => {
    const own = { host: 'db.example', port: 5432 };
    expect(decideFirstBytes(own, { kind: 'not_tls' })).toBeNull();
    expect(reason('evil.example', own)).toBe('tls_name_differs');
  });
});
