/** What a client's first bytes say of the name that it wants by TLS. */
export type ClientHello =
  /** Too few bytes to tell. */
  | { readonly kind: 'more' }
  | { readonly kind: 'not_tls' }
  /** `name` is null where it asks for none, or for more than one. */
  | { readonly kind: 'tls'; readonly name: string | null };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
/** No client's hello is longer, bytes. */
const MAX_HELLO_BYTES = 65_536;

/** Lengths that lead beyond the end. */
const BEYOND = new Set(['ERR_OUT_OF_RANGE', 'ERR_BUFFER_OUT_OF_BOUNDS']);
const MORE: ClientHello = { kind: 'more' };
const NOT_TLS: ClientHello = { kind: 'not_tls' };

/** Reads the server name of a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3), whole or still on its way, in as many records as it likes. */
export function readClientHello(bytes: Buffer): ClientHello {
  const hello = handshakeOf(bytes);
  if (hello === null) return NOT_TLS;
  if (hello.length > 0 && hello[0] !== CLIENT_HELLO) return NOT_TLS;
  if (hello.length < 4 || hello.length < 4 + hello.readUIntBE(1, 3))
    return bytes.length > MAX_HELLO_BYTES ? NOT_TLS : MORE;
  try {
    return { kind: 'tls', name: nameIn(hello.subarray(4, 4 + hello.readUIntBE(1, 3))) };
  } catch (error) {
    if (BEYOND.has((error as NodeJS.ErrnoException).code ?? '')) return NOT_TLS;
    throw error;
  }
}

/** What the records hold, as far as they are there; null for what is no handshake. */
function handshakeOf(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE || (at + 1 < bytes.length && bytes[at + 1] !== 3)) return null;
    if (at + 5 > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(parts);
}

function nameIn(hello: Buffer): string | null {
  let at = 2 + 32; // version, random
  at += 1 + hello.readUInt8(at); // session
  at += 2 + hello.readUInt16BE(at); // ciphers
  at += 1 + hello.readUInt8(at); // compression
  if (at === hello.length) return null;
  const end = at + 2 + hello.readUInt16BE(at);
  const names: string[] = [];
  for (at += 2; at < end;) {
    const [type, length] = [hello.readUInt16BE(at), hello.readUInt16BE(at + 2)];
    if (type === SERVER_NAME) names.push(...namesOf(hello.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return names.length === 1 ? names[0]! : null;
}

function namesOf(extension: Buffer): string[] {
  const names: string[] = [];
  for (let at = 2; at < extension.length;) {
    const length = extension.readUInt16BE(at + 1);
    names.push(extension.toString('latin1', at + 3, at + 3 + length));
    at += 3 + length;
  }
  return names;
}
