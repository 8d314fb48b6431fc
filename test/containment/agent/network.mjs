// What listens around it, directly and by way of egress.
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** What a server says first, or after `words`. */
function talk(options, words) {
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    socket.setTimeout(4_000, () => (socket.destroy(), reject(new Error('silence'))));
    socket.once('error', reject);
    socket.once('connect', () => words !== undefined && socket.write(words));
    socket.once('data', (data) => (socket.destroy(), resolve(data)));
    socket.once('end', () => resolve(null));
  });
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
/** SSLRequest: a Postgres answers with one letter. */
const POSTGRES = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

const proxy = () => new URL(process.env.HTTP_PROXY);
const authorization = ({ username, password }) =>
  `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;

/** A tunnel through egress, and what is heard at its other end. */
function tunnel(place, { words = GET, identity = authorization(proxy()) } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = proxy();
    const headers = identity === null ? {} : { 'proxy-authorization': identity };
    const asked = request({ host: hostname, port, method: 'CONNECT', path: place, headers });
    asked.once('error', reject);
    asked.once('response', (response) => reject(new Error(`refused with ${response.statusCode}`)));
    asked.once('connect', ({ statusCode }, socket) => {
      if (statusCode !== 200) return reject(new Error(`refused with ${statusCode}`));
      socket.once('data', (data) => (socket.destroy(), resolve(data)));
      socket.once('error', reject);
      socket.once('end', () => resolve(null));
      socket.write(words);
    });
    asked.end();
  });
}

/** A plain request to egress. */
function ask(path, headers = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = proxy();
    const asked = request({ host: hostname, port, path, headers });
    asked.once('error', reject);
    asked.once('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.once('end', () =>
        response.statusCode < 400
          ? resolve(Buffer.concat(parts))
          : reject(new Error(`refused with ${response.statusCode}`)),
      );
    });
    asked.end();
  });
}

const through = (place) => (knows) => tunnel(place(knows));
const withProxy = () => ({ 'proxy-authorization': authorization(proxy()) });

/** A question to a name server there. */
function dnsAt(host, port) {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.once('message', (message) => (socket.close(), resolve(message)));
    socket.send('question', port, host, (error) => error && reject(error));
  });
}

export const network = [
  { name: 'a server on loopback', seeks: 'canary', look: ({ port }) => talk({ host: '127.0.0.1', port }, GET) },
  { name: 'a server on IPv6 loopback', seeks: 'canary', look: ({ port6 }) => talk({ host: '::1', port: port6 }, GET) },
  {
    name: "a server on the machine's own address",
    seeks: 'canary',
    look: ({ address, port }) => talk({ host: address, port }, GET),
  },
  { name: 'Postgres', look: ({ postgresPort }) => talk({ host: '127.0.0.1', port: postgresPort }, POSTGRES) },
  { name: 'NATS', look: ({ natsPort }) => talk({ host: '127.0.0.1', port: natsPort }) },
  { name: 'the gateway', look: ({ gatewayPort }) => talk({ host: '127.0.0.1', port: gatewayPort }, GET) },
  { name: 'health and metrics', look: ({ internalPort }) => talk({ host: '127.0.0.1', port: internalPort }, GET) },
  { name: 'the forge', look: ({ forgePort }) => talk({ host: '127.0.0.1', port: forgePort }, GET) },
  { name: 'a Unix socket', seeks: 'canary', look: ({ unixSocket }) => talk({ path: unixSocket }, GET) },
  {
    name: 'an abstract Unix socket',
    seeks: 'canary',
    look: ({ abstractSocket }) => talk({ path: `\0${abstractSocket}` }, GET),
  },
  {
    name: 'sockets of others by name',
    look: ({ unixSocket }) => readFileSync('/proc/net/unix', 'utf8').includes(unixSocket) && 'listed',
  },
  { name: 'a name server', look: ({ address, dnsPort }) => dnsAt(address, dnsPort) },
  { name: 'a name', look: async () => (await lookup('localhost.localdomain.example.com')).address },
  { name: "the cloud's metadata", look: () => talk({ host: '169.254.169.254', port: 80 }, GET) },
  {
    name: 'an interface to the outside',
    look: () =>
      Object.values(networkInterfaces())
        .flat()
        .find(({ internal }) => !internal)?.address ?? null,
  },
  { name: 'egress: a server on loopback', look: through(({ port }) => `127.0.0.1:${port}`) },
  { name: 'egress: loopback by name', look: through(({ port }) => `localhost:${port}`) },
  { name: 'egress: loopback as a number', look: through(({ port }) => `2130706433:${port}`) },
  { name: 'egress: loopback in hexadecimal', look: through(({ port }) => `0x7f.1:${port}`) },
  { name: 'egress: IPv6 loopback', look: through(({ port6 }) => `[::1]:${port6}`) },
  { name: 'egress: IPv4 in IPv6', look: through(({ port }) => `[::ffff:127.0.0.1]:${port}`) },
  { name: 'egress: any address', look: through(({ port }) => `0.0.0.0:${port}`) },
  { name: "egress: the machine's own address", look: through(({ address, port }) => `${address}:${port}`) },
  { name: 'egress: Postgres', look: ({ postgresPort }) => tunnel(`127.0.0.1:${postgresPort}`, { words: POSTGRES }) },
  { name: 'egress: metadata', look: through(() => '169.254.169.254:80') },
  { name: 'egress: metadata by name', look: through(() => 'metadata.google.internal:80') },
  { name: 'egress: a host that nobody listed', look: through(() => 'attacker.example:443') },
  { name: 'egress: a listed host on another port', look: through(() => 'registry.npmjs.org:22') },
  { name: 'egress: a plain request to loopback', look: ({ port }) => ask(`http://127.0.0.1:${port}/`, withProxy()) },
  { name: 'egress: its own metrics', look: () => ask('/metrics', withProxy()) },
  {
    name: 'egress: out of the model door',
    look: ({ port }) => ask(`/model/anthropic/..%2f..%2fhttp://127.0.0.1:${port}/`, withProxy()),
  },
  { name: 'egress: without a token', look: ({ allowed }) => tunnel(allowed, { identity: null }) },
  {
    name: "egress: with a token of another run's",
    look: ({ allowed, otherRunId }) => {
      const { password } = proxy();
      const forged = password.replace(/_[0-9a-f]{32}_/, `_${otherRunId.replaceAll('-', '')}_`);
      return tunnel(allowed, { identity: authorization({ username: 'run', password: forged }) });
    },
  },
  { name: 'allowed: a host that the repository opened', seeks: 'canary', look: ({ allowed }) => tunnel(allowed) },
];
