import type { TaskEvent } from '@capstan/api';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SYMPTOMS, TransientError, UserError } from '@capstan/domain';
import { cliConfig } from './cli.config.js';
import { COMMANDS, runCli } from './commands.js';
import { exitCodeOf } from './exit-code.js';
import { phasesOf } from './client/trace.command.js';
import { Terminal, ageOf, plain, wrap } from './terminal.js';

async function capstan(words: string[], environment: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const output = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const config = () => cliConfig({ CAPSTAN_DATA_DIR: '/nonexistent/capstan', ...environment }, '/');
  const code = await runCli(words, output, config);
  return { code, out, err };
}

describe('capstan', () => {
  it.each([[[]], [['help']], [['--help']]])('lists every command for %j', async (words) => {
    const { code, out } = await capstan(words);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(out).toContain(command.usage);
  });

  it.each(COMMANDS.map(({ name }) => [name]))('explains %s', async (name) => {
    const { code, out } = await capstan([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`capstan ${name}`);
    expect(await capstan(['help', name])).toMatchObject({ code: 0, out });
  });

  it.each([
    [['frobnicate'], 'unsupported command "frobnicate"; expected up, down'],
    [['canel', 'x'], 'Did you mean: capstan cancel'],
    [['get', 'tasks', '--state', 'foo'], 'unsupported --state "foo"; expected one of waiting, queued'],
    [['get', 'tasks', '--limit', '0'], 'unsupported --limit "0"; expected a number from 1 to 200'],
    [['trace', 'nope'], '"nope" is no task; expected a short id'],
    [['get'], 'usage: capstan get tasks|pods|agents|parked'],
    [['get', 'cows'], 'unsupported resource "cows"; expected tasks, pods, agents or parked'],
    [['get', 'parked', '--kind', 'cow'], 'unsupported kind "cow"; expected one of task, task_request'],
    [['replay'], 'something is missing'],
    [['replay', 'cow/4b7a23d2'], 'unsupported kind "cow"'],
    [['drop', 'run/nope'], '"run/nope" is no parked row; expected KIND/ID'],
    [['replay', '--all', 'run/4b7a23d2'], '--all goes without "run/4b7a23d2"'],
    [['replay', '4b7a23d2', '--kind', 'run'], '--kind goes with --all'],
    [['logs', '--nonsense', 'x'], 'nonsense'],
    [['logs', '4b7a23d2', '--run', 'two'], 'unsupported --run "two"; expected a number from 1'],
    [['status', '-o', 'yaml'], 'unsupported output "yaml"; expected text or json'],
    [['cancel', 'one', 'two'], 'unexpected "two"'],
    [['message', '4b7a23d2'], 'something is missing'],
    [['message', '4b7a23d2', ' '], 'the message is empty'],
    [
      ['limits', '4b7a23d2', '--max-turns', '0'],
      'unsupported --max-turns "0"; expected a whole number of turns from 1',
    ],
    [['limits', 'a/b', '--max-cost-usd', 'much'], 'unsupported --max-cost-usd "much"; expected US dollars from 0'],
  ])('answers %j with 2 and says why', async (words, why) => {
    const { code, out, err } = await capstan(words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(why);
  });

  it('says in JSON, too, that it knows no gateway', async () => {
    const { code, out, err } = await capstan(['get', 'tasks', '-o', 'json']);
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ error: { exitCode: 4, code: 'gateway_unknown' } });
    expect(err).toContain('npm start');
  });

  it('asks for a token rather than sending the local one elsewhere', async () => {
    const { code, out, err } = await capstan(['get', 'tasks', '-o', 'json'], { CAPSTAN_URL: 'http://127.0.0.1:1' });
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'token_missing' } });
    expect(err).toContain('CAPSTAN_TOKEN');
  });

  it('says which gateway does not answer, and which one answers what it does not understand', async () => {
    const away = { CAPSTAN_URL: 'http://127.0.0.1:1', CAPSTAN_TOKEN: 'capstan_x' };
    const gone = await capstan(['get', 'tasks', '-o', 'json'], away);
    expect(gone.code).toBe(4);
    expect(JSON.parse(gone.out)).toMatchObject({ error: { code: 'gateway_unreachable' } });
    let answer = { status: 200, body: '{"hello":"world"}' };
    const stranger = createServer((_request, response) => response.writeHead(answer.status).end(answer.body));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const strange = await capstan(['get', 'tasks', '-o', 'json'], { ...away, CAPSTAN_URL: url });
    expect(JSON.parse(strange.out)).toMatchObject({ error: { code: 'answer_not_understood' } });
    const words = { type: 'x', title: 'x', status: 401, code: 'not_signed_in', detail: 'x', requestId: 'x' };
    answer = { status: 401, body: JSON.stringify(words) };
    const unknown = await capstan(['get', 'tasks', '-o', 'json'], { ...away, CAPSTAN_URL: url });
    expect(JSON.parse(unknown.out)).toMatchObject({ error: { code: 'token_refused' } });
    await new Promise((resolve) => stranger.close(resolve));
  });

  it('explains a code without any gateway, and lists all', async () => {
    const one = await capstan(['explain', 'port_taken']);
    expect(one).toMatchObject({ code: 0, err: '' });
    expect(one.out).toContain(SYMPTOMS.port_taken.cause);
    expect(one.out).toContain(SYMPTOMS.port_taken.remedy);
    const { items } = JSON.parse((await capstan(['explain', '-o', 'json'])).out) as { items: { code: string }[] };
    expect(items.map(({ code }) => code).sort()).toEqual(Object.keys(SYMPTOMS).sort());
    const list = await capstan(['explain']);
    for (const code of Object.keys(SYMPTOMS)) expect(list.out).toContain(code);
    const typo = await capstan(['explain', 'image_gone']);
    expect(typo).toMatchObject({ code: 3, err: expect.stringContaining('image_missing') as unknown });
  });

  it('finds nothing to stop', async () => {
    expect(await capstan(['down', '-o', 'json'])).toMatchObject({ code: 0, err: '' });
  });
});

describe('help', () => {
  it.each([[['--help']], ...COMMANDS.map(({ name }) => [[name, '--help']])])('fits 80 columns: %j', async (words) => {
    const { out } = await capstan(words);
    for (const line of out.split('\n')) expect([...line].length).toBeLessThanOrEqual(80);
  });
});

describe('a table', () => {
  const shown = (columns: number | undefined) => {
    let out = '';
    const terminal = new Terminal(
      'text',
      false,
      (text) => void (out += text),
      () => undefined,
      columns,
    );
    terminal.table(['TASK', 'TITLE', 'AGE'], [['4b7a23d2', 'A title that goes on and on', '3 s']], { shrink: [1] });
    return out.split('\n');
  };

  it('is shortened where the terminal is narrow', () => {
    expect(shown(30)).toEqual(['TASK      TITLE            AGE', '4b7a23d2  A title that g…  3 s', '']);
  });

  it('is whole in a file', () => {
    expect(shown(undefined)[1]).toBe('4b7a23d2  A title that goes on and on  3 s');
  });
});

describe('the tree of a life', () => {
  const event = (second: number, more: Partial<TaskEvent>): TaskEvent => ({
    id: `${second}`,
    taskId: 't',
    at: new Date(second * 1000).toISOString(),
    kind: 'note',
    from: null,
    to: null,
    cause: `at ${second}`,
    actor: { kind: 'service', id: 'scheduler', name: null },
    traceId: null,
    ...more,
  });

  it('has what happened below the state that it happened in, whatever order it came in', () => {
    const events = [
      event(9, { to: 'completed' }),
      event(7, {}),
      event(0, { to: 'queued' }),
      event(5, { to: 'running' }),
      event(6, {}),
      event(1, {}),
    ];
    const phases = phasesOf({ runs: [] }, events);
    expect(phases.map(({ state, leaves }) => [state, leaves.map(({ text }) => text)])).toEqual([
      ['queued', ['at 1 (scheduler)']],
      ['running', ['at 6 (scheduler)', 'at 7 (scheduler)']],
      ['completed', []],
    ]);
    expect(phases.map(({ untilMs }) => untilMs)).toEqual([5000, 9000, undefined]);
  });
});

describe('exit codes', () => {
  it.each([
    [new UserError('x', { code: 'task_not_found', status: 404 }), 3],
    [new UserError('x', { code: 'refused', status: 409 }), 5],
    [new TransientError('x', { code: 'gone' }), 4],
    [new Error('x'), 1],
  ])('gives %p its code', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

describe('text from outside', () => {
  it('cannot steer the terminal', () => {
    expect(plain('a\u001b[2Jb\u009b31mc\u202ed\rok\tfine')).toBe('a[2Jb31mcdok\tfine');
  });

  it('is broken between words, indented, and never within one', () => {
    expect(wrap('  one two three', 8, 4)).toEqual(['  one', '    two', '    three']);
    expect(wrap('averylongword b', 5, 1)).toEqual(['averylongword', ' b']);
  });

  it.each([
    [3, '3 s'],
    [600, '10 min'],
    [7_300, '2 h'],
    [400_000, '5 d'],
  ])('is dated roughly: %d s', (seconds, expected) => {
    expect(ageOf(new Date(0).toISOString(), seconds * 1000)).toBe(expected);
  });
});
