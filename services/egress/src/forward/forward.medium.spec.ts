import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { eventually } from '@capstan/test-support';
import { allOf, aStage, outside, raw, tunnel, viaProxy, type Outside, type Stage } from '../egress.fixture.js';
import { MAX_OPEN } from '../admit/places.js';

jest.setTimeout(60_000);

let stage: Stage;
let site: Outside;
const seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[] = [];

beforeAll(async () => {
  site = await outside((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      seen.push({ method: request.method!, url: request.url!, headers: request.headers, body });
      if (request.url === '/elsewhere')
        return response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
      if (request.url === '/cut') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('the beginning');
        return setImmediate(() => response.destroy());
      }
      return response.writeHead(200, { 'x-site': 'yes', connection: 'keep-alive' }).end(`you sent ${body}`);
    });
  });
  stage = await aStage({ privateHosts: `house.example:${site.port},silent.example:9,loop.example:${site.port}` });
  stage.names.set('house.example', ['127.0.0.1']);
  stage.names.set('sneaky.example', ['10.1.2.3', '127.0.0.1', '::ffff:127.0.0.1']);
  stage.names.set('metadata.example', ['169.254.169.254']);
  stage.names.set('loop.example', ['169.254.169.254']);
});
afterAll(async () => {
  await stage.close();
  await site.close();
});
beforeEach(() => void (seen.length = 0));

const hosts = () => [`house.example:${site.port}`, 'sneaky.example', 'metadata.example', `loop.example:${site.port}`];
const aRun = () => stage.aRun({ egressHosts: hosts() });
const url = () => stage.egress.server.url;

describe('a plain request', () => {
  it('reaches an allowed host, without what was meant for the proxy', async () => {
    const { run } = await aRun();
    const answer = await viaProxy(url(), `http://house.example:${site.port}/a?b=c`, stage.token(run), {
      method: 'POST',
      body: 'hello',
      headers: { connection: 'x-private', 'x-private': 'for the hop', 'x-kept': 'yes', host: 'liar.example' },
    });
    expect(answer).toMatchObject({ status: 200, body: 'you sent hello', headers: { 'x-site': 'yes' } });
    expect(seen).toMatchObject([{ method: 'POST', url: '/a?b=c', body: 'hello' }]);
    expect(seen[0]!.headers).toMatchObject({ host: `house.example:${site.port}`, 'x-kept': 'yes' });
    expect(Object.keys(seen[0]!.headers)).not.toContain('proxy-authorization');
    expect(Object.keys(seen[0]!.headers)).not.toContain('x-private');
    expect(await stage.recorded(run)).toMatchObject([
      { host: 'house.example', port: site.port, verdict: 'allowed', connections: 1, bytesUp: '5', bytesDown: '14' },
    ]);
  });

  it('gets a redirect back as it is: where it leads must be asked for anew', async () => {
    const { run } = await aRun();
    const answer = await viaProxy(url(), `http://house.example:${site.port}/elsewhere`, stage.token(run));
    expect(answer).toMatchObject({ status: 302, headers: { location: 'http://169.254.169.254/latest' } });
    const next = await viaProxy(url(), answer.headers.location!, stage.token(run));
    expect(next).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'host_blocked' } });
  });

  it('is cut off where the answer was', async () => {
    const { run } = await aRun();
    await expect(viaProxy(url(), `http://house.example:${site.port}/cut`, stage.token(run))).rejects.toThrow();
  });

  it('says what is wrong with an address that no proxy asks for', async () => {
    const { run } = await aRun();
    for (const address of ['https://house.example/', 'ftp://house.example/', `http://u:p@house.example:${site.port}/`])
      expect(await viaProxy(url(), address, stage.token(run))).toMatchObject({
        status: 400,
        body: expect.stringContaining('CONNECT'),
      });
  });
});

describe('a tunnel', () => {
  it('passes bytes both ways, and the end of each', async () => {
    const echo = createTcp({ allowHalfOpen: true }, (socket) => {
      let got = '';
      socket.on('data', (chunk) => (got += chunk));
      socket.on('end', () => socket.end(`you sent ${got.length}`));
    });
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as AddressInfo;
    const other = await aStage({ privateHosts: `echo.example:${port}` });
    other.names.set('echo.example', ['127.0.0.1']);
    const { run } = await other.aRun({ egressHosts: [`echo.example:${port}`] });
    const { status, socket } = await tunnel(other.egress.server.url, `echo.example:${port}`, other.token(run));
    expect(status).toBe(200);
    const all = allOf(socket);
    socket.end('x'.repeat(300_000));
    expect(await all).toBe('you sent 300000');
    expect(await other.recorded(run)).toMatchObject([
      { host: 'echo.example', connections: 1, bytesUp: '300000', bytesDown: '15', client: 'npm/11 spec' },
    ]);
    echo.close();
    await other.close();
  });

  it('speaks TLS to the host that was asked for, and is closed when it names another', async () => {
    const { run } = await aRun();
    const to = `house.example:${site.port}`;
    const first = async (servername: string) => {
      const { socket, status } = await tunnel(url(), to, stage.token(run));
      expect(status).toBe(200);
      return new Promise<string>((resolve) =>
        connectTls({ socket, servername }).on('error', (error) => resolve(error.message)),
      );
    };
    // The site speaks no TLS: what it says to the hello is heard, so that was let through.
    expect(await first('house.example')).toMatch(/wrong version number|packet length/i);
    expect(await first('evil.example')).toMatch(/unrecognized name/i);
    expect(await stage.recorded(run)).toMatchObject([
      { verdict: 'allowed', connections: 2 },
      { verdict: 'blocked', reason: 'tls_name_differs', connections: 1, bytesUp: '0' },
    ]);
  });

  it('through the Unix socket is the same, for this user alone', async () => {
    const { run } = await aRun();
    const answer = await viaProxy({ socketPath: stage.socket }, `http://house.example:${site.port}/`, stage.token(run));
    expect(answer.status).toBe(200);
    expect(statSync(stage.socket).mode & 0o777).toBe(0o600);
  });

  it('ends with its run', async () => {
    const { run } = await aRun();
    const { socket } = await tunnel(url(), `house.example:${site.port}`, stage.token(run));
    const closed = allOf(socket);
    await stage.egress.endOver();
    expect(socket.destroyed).toBe(false);
    await finish(run.id);
    await eventually(async () => {
      await stage.egress.endOver();
      return socket.destroyed || socket.readableEnded;
    });
    socket.destroy();
    await closed;
  });

  it('is refused when the run has too many open, and granted when one has ended', async () => {
    const { run } = await aRun();
    const open: Socket[] = [];
    for (let index = 0; index < MAX_OPEN; index += 1) {
      const { status, socket } = await tunnel(url(), `house.example:${site.port}`, stage.token(run));
      expect(status).toBe(200);
      socket.on('error', () => socket.destroy());
      open.push(socket);
    }
    expect((await tunnel(url(), `house.example:${site.port}`, stage.token(run))).status).toBe(429);
    for (const socket of open) socket.destroy();
    await eventually(async () => {
      const { status, socket } = await tunnel(url(), `house.example:${site.port}`, stage.token(run));
      socket.destroy();
      expect(status).toBe(200);
    });
  });

  it('to where nobody answers says so', async () => {
    const gone = await outside(() => undefined);
    await gone.close();
    const other = await aStage({ privateHosts: `gone.example:${gone.port}` });
    other.names.set('gone.example', ['127.0.0.1']);
    const { run } = await other.aRun({ egressHosts: [`gone.example:${gone.port}`, 'nowhere.example'] });
    const ask = (authority: string) => tunnel(other.egress.server.url, authority, other.token(run));
    expect(await ask(`gone.example:${gone.port}`)).toMatchObject({
      status: 502,
      headers: { 'x-capstan-egress': 'unreachable' },
    });
    expect(await ask('nowhere.example:443')).toMatchObject({
      status: 502,
      headers: { 'x-capstan-egress': 'name_unresolved' },
    });
    await other.close();
  });
});

describe('nothing is reached', () => {
  it.each([
    ['a host that nobody allowed', 'evil.example:443', 'host_blocked'],
    ['an allowed host on another port', 'house.example:22', 'port_blocked'],
    ['a name with private addresses', 'sneaky.example:443', 'address_private'],
    ['a name with a metadata address', 'metadata.example:80', 'address_metadata'],
    ['the machine itself', '127.0.0.1:5432', 'host_blocked'],
    ['the machine itself, spelled otherwise', '0x7f.1:443', 'host_blocked'],
    ['what is no address', 'nonsense', 'not_understood'],
    ['an address with a path', 'house.example/x:443', 'not_understood'],
  ])('by a tunnel to %s', async (_what, authority, reason) => {
    const { run } = await aRun();
    const { status, headers, socket } = await tunnel(url(), authority, stage.token(run));
    expect({ status, reason: headers['x-capstan-egress'] }).toEqual({
      status: reason === 'not_understood' ? 400 : 403,
      reason,
    });
    socket.destroy();
    expect(await stage.recorded(run)).toMatchObject([{ verdict: 'blocked', reason, connections: 1, bytesUp: '0' }]);
  });

  it('by a host that the operator trusts, when it turns to a metadata address', async () => {
    const { run } = await aRun();
    const { headers } = await tunnel(url(), `loop.example:${site.port}`, stage.token(run));
    expect(headers['x-capstan-egress']).toBe('address_metadata');
  });

  it('without the token of a run that goes on', async () => {
    const { run } = await aRun();
    const to = `http://house.example:${site.port}/`;
    const none = await viaProxy(url(), to, null);
    expect(none).toMatchObject({ status: 407, headers: { 'proxy-authenticate': expect.stringContaining('Basic') } });
    expect(none.body).toContain('HTTP_PROXY');
    expect((await viaProxy(url(), to, 'cap_run_guess')).status).toBe(407);
    expect((await viaProxy(url(), to, null, { headers: { 'proxy-authorization': 'Bearer x' } })).status).toBe(407);
    expect((await viaProxy(url(), to, (await aStageToken()).token)).status).toBe(407);
    for (const over of [{ state: 'placed' as const }, { fencedAt: new Date() }]) {
      const { run: not } = await stage.aRun({ egressHosts: hosts() }, over);
      const answer = await viaProxy(url(), to, stage.token(not));
      expect(answer).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'run_over' } });
    }
    expect((await viaProxy(url(), to, stage.token(run))).status).toBe(200);
    await finish(run.id);
    await eventually(async () => expect((await viaProxy(url(), to, stage.token(run))).status).toBe(403));
  });

  it('by what is no request of a proxy', async () => {
    const port = Number(new URL(url()).port);
    expect(await raw(port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(port, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('and no token is ever logged', async () => {
    const { run } = await aRun();
    await viaProxy(url(), 'http://evil.example/', stage.token(run));
    expect(stage.log.join('')).not.toContain(stage.token(run));
  });
});

describe('hosts of a run', () => {
  it('beyond two hundred are counted together', async () => {
    const { run } = await aRun();
    for (let index = 0; index < 205; index += 1)
      await viaProxy(url(), `http://host-${index}.example/`, stage.token(run));
    await stage.egress.record();
    for (let index = 0; index < 10; index += 1)
      await viaProxy(url(), `http://late-${index}.example/`, stage.token(run));
    const rows = await stage.recorded(run);
    expect(rows).toHaveLength(201);
    expect(rows.find(({ host }) => host === '…')).toMatchObject({ connections: 15, port: 0, verdict: 'blocked' });
  });
});

describe('the socket', () => {
  it('that a dead process left is replaced; that of a living one is not', async () => {
    const other = await aStage();
    await other.close();
    expect(existsSync(other.socket)).toBe(false);
    const { listenOnSocket } = await import('../server/unix-socket.js');
    const { createServer } = await import('node:http');
    const late = createServer();
    await expect(listenOnSocket(late, stage.socket)).rejects.toMatchObject({ code: 'egress_socket' });
    const left = `${stage.socket}.left`;
    writeFileSync(left, '');
    await listenOnSocket(late, left);
    expect(statSync(left).isSocket()).toBe(true);
    await new Promise((resolve) => late.close(resolve));
    await expect(listenOnSocket(createServer(), `/tmp/${'x'.repeat(120)}`)).rejects.toMatchObject({
      code: 'egress_socket',
    });
  });
});

async function finish(runId: string): Promise<void> {
  await stage.database.query(
    `update run set state = 'finished', outcome = '{"kind":"stopped","detail":""}' where id = $1`,
    [runId],
  );
}

/** A token of an installation with another key. */
async function aStageToken(): Promise<{ token: string }> {
  const other = await aStage();
  const { run } = await aRun();
  const token = other.token(run);
  await other.close();
  return { token };
}
