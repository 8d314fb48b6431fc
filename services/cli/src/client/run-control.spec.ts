import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cliConfig } from '../cli.config.js';
import { runCli } from '../commands.js';
import { stateWords, whyWords } from './task-words.js';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

const ID = '0190c2f4-7b00-7000-8000-00004b7a23d2';
const request = (answer: object | null) => ({
  id: ID,
  taskId: ID,
  kind: 'message',
  createdAt: '2026-05-01T12:00:00.000Z',
  answeredAt: null,
  answer,
});

let server: Server;
let asked: Asked[];
let answers: unknown[];
let url: string;

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
    incoming.on('end', () => {
      asked.push({
        method: incoming.method!,
        path: incoming.url!,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      });
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers.shift()));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
  answers = [];
});
afterAll(() => void server.close());

async function capstan(...words: string[]) {
  let out = '';
  let err = '';
  const output = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const environment = { CAPSTAN_DATA_DIR: '/nonexistent/capstan', CAPSTAN_URL: url, CAPSTAN_TOKEN: 'capstan_x' };
  const code = await runCli(words, output, () => cliConfig(environment, '/'));
  return { code, out, err };
}

it('says a message, waits for what comes of it, and tells that', async () => {
  answers = [request(null), request({ applied: true, code: 'delivered', detail: 'The agent has the message' })];
  expect(await capstan('message', '4b7a23d2', 'use', 'integers')).toMatchObject({
    code: 0,
    out: 'The agent has the message\n',
  });
  expect(asked).toEqual([
    { method: 'POST', path: '/api/tasks/4b7a23d2/message', body: { text: 'use integers' } },
    { method: 'GET', path: `/api/requests/${ID}`, body: undefined },
  ]);
});

it('ends with 5 where an agent can not be interrupted, and says that it was left alone', async () => {
  answers = [request({ applied: false, code: 'not_interruptible', detail: 'It was left alone' })];
  expect(await capstan('interrupt', '4b7a23d2', '--reason', 'wrong way')).toMatchObject({
    code: 5,
    err: expect.stringContaining('It was left alone') as string,
  });
  expect(asked).toEqual([{ method: 'POST', path: '/api/tasks/4b7a23d2/interrupt', body: { reason: 'wrong way' } }]);
});

it('pauses and resumes the workspace, and says who paused it', async () => {
  const workspace = { id: ID, name: 'Acme', slug: 'acme' };
  answers = [
    { ...workspace, pausedAt: '2026-05-01T12:00:00.000Z', pausedBy: 'Ada' },
    { ...workspace, pausedAt: null, pausedBy: null },
  ];
  expect((await capstan('pause')).out).toMatch(/^Acme is paused by Ada since \d\d:\d\d:00\. Agents at work go on\.\n$/);
  expect((await capstan('resume')).out).toBe('Acme goes on.\n');
  expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['PATCH', '/api/workspace', { paused: true }],
    ['PATCH', '/api/workspace', { paused: false }],
  ]);
});

it('changes the limits of a task, and gives one back to its repository', async () => {
  answers = [request({ applied: true, code: 'applied', detail: 'Set' })];
  const words = ['--max-cost-usd', '12.5', '--max-turns', 'repository'];
  expect(await capstan('limits', '4b7a23d2', ...words)).toMatchObject({ code: 0, out: 'Set\n' });
  expect(asked).toEqual([
    { method: 'PATCH', path: '/api/tasks/4b7a23d2/limits', body: { maxCostUsd: 12.5, maxTurns: null } },
  ]);
});

it('finds no repository of another name', async () => {
  answers = [{ items: [] }];
  expect(await capstan('limits', 'acme/app', '--stall-minutes', '5')).toMatchObject({ code: 3 });
});

it('tells a stalled task, and since when', () => {
  const stalled = {
    state: 'running',
    intent: null,
    stalled: true,
    attention: null,
    waiting: null,
    stalledSince: '2026-05-01T12:00:00.000Z',
  } as const;
  expect(stateWords(stalled)).toBe('stalled');
  expect(stateWords({ ...stalled, intent: 'cancel' })).toBe('cancelling');
  expect(whyWords(stalled)).toMatch(/^Stalled: no line since \d\d:\d\d:00/);
  expect(whyWords({ ...stalled, stalledSince: null })).toBeUndefined();
});
