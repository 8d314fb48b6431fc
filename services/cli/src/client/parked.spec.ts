import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ParkedRow } from '@capstan/api';
import { cliConfig } from '../cli.config.js';
import { runCli } from '../commands.js';

const ID = '0190c2f4-7b00-7000-8000-00004b7a23d2';

const row = (over: Partial<ParkedRow> = {}): ParkedRow => ({
  kind: 'run',
  id: ID,
  shortId: '4b7a23d2',
  subject: 'Run 1: Make it so',
  task: { id: ID, shortId: '0c0ffee0', title: 'Make it so' },
  repository: { id: ID, fullName: 'acme/app' },
  attempts: 8,
  lastError: { code: null, title: null, detail: 'boom', remedy: null },
  parkedAt: '2026-01-01T00:00:00.000Z',
  holds: 'Slot 0 of pod app-0',
  dropMeans: 'The run is ended.',
  asked: null,
  ...over,
});
const request = (answer: Record<string, unknown> | null) => ({
  ...{ id: ID, kind: 'run', rowId: ID, action: 'replay', createdAt: '2026-01-01T00:00:00.000Z' },
  answeredAt: answer === null ? null : '2026-01-01T00:00:01.000Z',
  answer,
});
const problem = (status: number, code: string, detail: string, remedy: string) => ({
  ...{ type: 'about:blank', title: 'x', status, code, detail, remedy, requestId: 'r' },
});

/** What the gateway answers, by method and path; each call is written down with its body. */
let answers: Record<string, readonly [status: number, body: unknown]>;
let calls: [call: string, body: unknown][];
let server: Server;
beforeEach(async () => {
  answers = {};
  calls = [];
  server = createServer((incoming, response) => {
    let text = '';
    incoming.on('data', (chunk) => (text += String(chunk)));
    incoming.on('end', () => {
      const path = new URL(incoming.url!, 'http://x').pathname;
      calls.push([`${incoming.method} ${incoming.url}`, text === '' ? undefined : JSON.parse(text)]);
      const [status, body] = answers[`${incoming.method} ${path}`] ?? [404, problem(404, 'nothing_here', path, '')];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function capstan(...words: string[]) {
  let out = '';
  let err = '';
  const output = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const environment = { CAPSTAN_DATA_DIR: '/nonexistent/capstan', CAPSTAN_URL: url, CAPSTAN_TOKEN: 'capstan_x' };
  const code = await runCli(words, output, () => cliConfig(environment, '/'));
  return { code, out, err };
}
const listing = (...items: ParkedRow[]) => {
  answers['GET /api/parked'] = [200, { items, next: null, counts: { run: items.length }, total: items.length }];
};

describe('capstan get parked', () => {
  it('shows what is parked, why, what it holds and what dropping comes to', async () => {
    const lastError = { code: 'forge_unreachable', title: 'The forge is away', detail: 'No answer.', remedy: 'Wait.' };
    listing(row({ lastError, asked: 'replay' }));
    const { code, out } = await capstan('get', 'parked', '--kind', 'run');
    expect(code).toBe(0);
    expect(out).toContain('run/4b7a23d2');
    expect(out).toContain('4b7a23d2  The forge is away · No answer. Wait.');
    expect(out).toContain('It holds: Slot 0 of pod app-0');
    expect(out).toContain('Asked already: replay');
    expect(out).toContain('Dropped: The run is ended.');
    expect(calls).toEqual([['GET /api/parked?kind=run', undefined]]);
  });

  it('is the answer of the API in JSON, and says when there is nothing', async () => {
    listing(row());
    expect(JSON.parse((await capstan('get', 'parked', '-o', 'json')).out)).toMatchObject({ items: [row()], total: 1 });
    listing();
    expect((await capstan('get', 'parked')).out).toBe('Nothing is parked.\n');
  });

  it('lets nothing that strangers wrote steer the terminal', async () => {
    listing(row({ subject: 'Run \u001b[2J', lastError: { ...row().lastError, detail: '\u001b]0;x\u0007boom' } }));
    expect((await capstan('get', 'parked')).out).not.toContain('\u001b');
  });
});

describe('capstan replay and drop', () => {
  const applied = { applied: true, code: 'replayed', detail: 'A runner takes it up again' };

  it('ask for a row by kind and id, and wait for its owner', async () => {
    answers['POST /api/parked/run/4b7a23d2/replay'] = [202, request(null)];
    answers[`GET /api/parked-requests/${ID}`] = [200, request(applied)];
    const { code, out } = await capstan('replay', 'run/4b7a23d2', '--reason', 'the disk is back');
    expect([code, out]).toEqual([0, 'A runner takes it up again\n']);
    expect(calls[0]).toEqual(['POST /api/parked/run/4b7a23d2/replay', { reason: 'the disk is back' }]);
  });

  it('find the kind of a short id', async () => {
    listing(row());
    answers[`POST /api/parked/run/${ID}/drop`] = [200, request({ applied: true, code: 'dropped', detail: 'Ended' })];
    const { code, out } = await capstan('drop', '4b7a23d2', '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ answer: { code: 'dropped' } });
  });

  it.each([['replay'], ['drop']])(
    '%s ends with 3 for an id that nothing has, and says where to look',
    async (command) => {
      listing();
      const { code, err } = await capstan(command, '4b7a23d2');
      expect(code).toBe(3);
      expect(err).toContain('nothing that is parked has the id 4b7a23d2');
      expect(err).toContain('capstan get parked');
    },
  );

  it('names both where a short id is two', async () => {
    listing(row(), row({ kind: 'pod', id: ID.replace('0190', '0191') }));
    const { code, err } = await capstan('replay', '4b7a23d2');
    expect(code).toBe(5);
    expect(err).toContain('run/4b7a23d2 or pod/4b7a23d2');
  });

  it('ends with 5 and the remedy where the owner refuses, and with 0 where nothing is left to be done', async () => {
    const detail = 'An agent is at work in this pod';
    answers['POST /api/parked/pod/4b7a23d2/drop'] = [409, problem(409, 'drop_refused', detail, 'Replay it.')];
    const refused = await capstan('drop', 'pod/4b7a23d2');
    expect(refused).toMatchObject({ code: 5, err: expect.stringMatching(/at work in this pod[^]*Replay it\./) });
    const late = { applied: false, code: 'not_parked', detail: 'It is not parked (any more); nothing was changed' };
    answers['POST /api/parked/pod/4b7a23d2/drop'] = [200, request(late)];
    expect(await capstan('drop', 'pod/4b7a23d2')).toMatchObject({ code: 0, out: `${late.detail}\n` });
  });

  it('replays all, or all of a kind', async () => {
    answers['POST /api/parked/replay-all'] = [202, { requested: 3 }];
    expect(await capstan('replay', '--all', '--kind', 'pull request')).toMatchObject({
      code: 0,
      out: 'Asked for 3 replays.\n',
    });
    expect(calls).toEqual([['POST /api/parked/replay-all', { kind: 'pull_request' }]]);
    answers['POST /api/parked/replay-all'] = [202, { requested: 0 }];
    expect((await capstan('replay', '--all')).out).toBe('Nothing is parked.\n');
  });
});
