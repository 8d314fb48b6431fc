import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { checkGivenNats, checkGivenPostgres } from './given-servers.js';
import { isOlder } from './nats-binary.js';

/** A server that greets as an old one does. It knows the greeting and one query, nothing else of the protocol. */
async function oldServer(greet: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer(greet);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

function oldNats(socket: Socket, info: Record<string, unknown>): void {
  socket.on('error', () => undefined);
  socket.write(
    `INFO ${JSON.stringify({ server_id: 'X', max_payload: 1_048_576, proto: 1, headers: true, ...info })}\r\n`,
  );
  socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'));
}

function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/** AuthenticationOk and ReadyForQuery, then one row with the version for whatever is asked. */
function oldPostgres(socket: Socket, version: string): void {
  const ready = message('Z', Buffer.from('I'));
  let greeted = false;
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    if (!greeted) {
      greeted = true;
      return socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]));
    }
    if (data.toString('latin1', 0, 1) !== 'Q') return;
    const column = Buffer.concat([
      Buffer.from('\0\x01server_version_num\0', 'latin1'),
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]),
    ]);
    const row = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, version.length]), Buffer.from(version)]);
    const done = message('C', Buffer.from('SHOW\0'));
    return socket.write(Buffer.concat([message('T', column), message('D', row), done, ready]));
  });
}

describe('servers that are given', () => {
  it('refuses a Postgres that is too old, with variable, reason and remedy', async () => {
    const { port, server } = await oldServer((socket) => oldPostgres(socket, '140012'));
    await expect(checkGivenPostgres(`postgres://a:b@127.0.0.1:${port}/c`)).rejects.toMatchObject({
      name: 'UserError',
      code: 'postgres_too_old',
      field: 'CAPSTAN_DATABASE_URL',
      message: 'CAPSTAN_DATABASE_URL: Postgres 14 is too old; Capstan needs 15 or newer',
      remedy: expect.stringMatching(/Upgrade/),
    });
    server.close();
  });

  it.each([
    ['too old', { version: '2.9.10', jetstream: true }, 'nats_too_old'],
    ['without JetStream', { version: '2.11.0' }, 'nats_without_jetstream'],
  ])('refuses a NATS server %s', async (_how, info, code) => {
    const { port, server } = await oldServer((socket) => oldNats(socket, info));
    await expect(checkGivenNats(`nats://127.0.0.1:${port}`)).rejects.toMatchObject({ code, field: 'CAPSTAN_NATS_URL' });
    server.close();
  });

  it('says what is wrong with a URL without repeating it', async () => {
    const refused = await checkGivenPostgres('mysql://root:hunter2@db').catch((error: Error) => error);
    expect(refused).toMatchObject({ code: 'server_url_invalid', field: 'CAPSTAN_DATABASE_URL' });
    expect(String(refused)).not.toMatch(/hunter2/);
  });

  it('says that a server is not there', async () => {
    const { port, server } = await oldServer((socket) => socket.destroy());
    await new Promise((resolve) => server.close(resolve));
    const gone = { name: 'TransientError', code: 'server_unreachable' };
    await expect(checkGivenPostgres(`postgres://a:b@127.0.0.1:${port}/c`)).rejects.toMatchObject(gone);
    await expect(checkGivenNats(`nats://127.0.0.1:${port}`)).rejects.toMatchObject(gone);
  });

  it.each([
    ['2.9.10', true],
    ['2.10.0', false],
    ['2.10.0-RC.1', false],
    ['2.15.1', false],
    ['10.0.0', false],
    ['1.99.99', true],
  ])('compares %s with 2.10.0 by numbers', (version, older) => {
    expect(isOlder(version, '2.10.0')).toBe(older);
  });
});
