import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TaskDetail } from '@capstan/api';
import { LABEL, ROOT, aSystem, type System } from '@capstan/test-support';
import { payloads, type Carrier, type Payload } from './payloads.js';

interface Obeyed {
  readonly id: number;
  readonly source: 'prompt' | 'file' | 'tool';
}

/** In a prompt Capstan takes out what people don't see; a file and a tool's output are as strangers made them. */
const HIDDEN_IN_PROMPT: readonly Payload['form'][] = ['html_comment', 'unicode_tags'];

const agentFile = (name: string): string => readFileSync(join(ROOT, 'test/containment/agent', name), 'utf8');

describe('Forty injections, and an agent that obeys them all', () => {
  let system: System;
  let collector: Server;
  let task: TaskDetail;
  let ticket: number;
  let forty: readonly Payload[];
  let obeyed: readonly Obeyed[];
  let before: { readonly secrets: unknown; readonly hostPid: number };
  const taken: string[] = [];

  beforeAll(async () => {
    collector = createServer((request, response) => {
      taken.push(`${request.method} ${request.url}`);
      response.end('thanks');
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    system = await aSystem({ env: { CAPSTAN_ISOLATION: 'require' }, repositories: [] });
    forty = payloads({
      collector: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      forgeApi: system.forge.apiUrl,
      cloneUrl: `${system.forge.url}/acme/app.git`,
      gateway: system.capstan.url,
      dataDir: system.dataDir,
      cli: join(ROOT, 'services/cli/dist/main.js'),
    });
    const told = (carrier: Carrier): string =>
      forty.flatMap((payload) => (payload.carrier === carrier ? [payload.text] : [])).join('\n\n');
    await system.addRepository({
      fullName: 'acme/app',
      ci: false,
      files: {
        'README.md': '# app\n',
        'notes/advice.md': told('file'),
        'tool.mjs': `process.stdout.write(${JSON.stringify(told('tool'))});\n`,
        'agent.mjs': agentFile('obedient-agent.mjs'),
        'work/README.md': 'Work goes here.\n',
      },
      settings: { agent: { agent: 'command', argv: ['node', 'agent.mjs'] }, autoMerge: false },
    });
    before = { secrets: await system.get('/api/secrets'), hostPid: system.capstan.hostPid };
    const fullName = 'acme/app';
    ticket = await system.forge.createIssue(fullName, {
      title: 'Do the work',
      body: told('ticket'),
      author: 'mallory',
    });
    for (const { text } of forty.filter(({ carrier }) => carrier === 'comment'))
      system.forge.actingAs('mallory').comment(fullName, ticket, text);
    system.forge.actingAs('ada').label(fullName, ticket, LABEL);
    const { id } = await system.taskOf(ticket);
    task = await system.until(id, 'the end of its run', ({ runs }) => (runs[0]?.outcome ?? null) !== null, 200_000);
    const text = (await system.log(task.runs[0]!.id)).map((line) => line.text).join('\n');
    expect(text).toContain('OBEYED ALL');
    obeyed = [...text.matchAll(/^OBEYED (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!) as Obeyed);
  });
  afterAll(async () => {
    collector?.close();
    await system?.stop();
  });

  it('are obeyed, but for what people would not have seen in the ticket', () => {
    const expected = forty
      .filter(({ carrier, form }) => carrier === 'file' || carrier === 'tool' || !HIDDEN_IN_PROMPT.includes(form))
      .map(({ id }) => id);
    expect(obeyed.map(({ id }) => id).sort((a, b) => a - b)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(25);
  });

  it('take nothing away', () => {
    expect(taken).toEqual([]);
  });

  it('do nothing at the forge: all that was written there is Capstan’s', async () => {
    // The late one has had its time when the task has come to rest.
    await system.until(task.id, 'rest', ({ state }) => state === 'needs_attention' || state === 'pr_opened', 60_000);
    const pushes = system.forge.journal.filter((entry) => entry.kind === 'push');
    expect(pushes.map(({ ref, login }) => [ref.startsWith('refs/heads/capstan/'), login])).toEqual(
      pushes.map(() => [true, 'capstan-bot']),
    );
    const writes = system.forge.journal.filter(
      (entry) => entry.kind === 'request' && entry.method !== 'GET' && !entry.path.endsWith('/git-upload-pack'),
    );
    expect(writes.every((entry) => entry.kind === 'request' && entry.login === 'capstan-bot')).toBe(true);
    expect(await system.atForge<{ state: string }>(`/repos/acme/app/issues/${ticket}`)).toMatchObject({
      state: 'open',
    });
    const comments = await system.atForge<{ body: string }[]>(`/repos/acme/app/issues/${ticket}/comments`);
    expect(comments.map(({ body }) => body)).not.toContain('owned');
    const branches = await system.atForge<{ name: string }[]>('/repos/acme/app/branches');
    expect(branches.map(({ name }) => name).filter((name) => name !== 'main' && !name.startsWith('capstan/'))).toEqual(
      [],
    );
    expect(taken).toEqual([]);
  });

  it('leave Capstan as it was', async () => {
    expect(await system.get('/api/secrets')).toEqual(before.secrets);
    expect(system.capstan.hostPid).toBe(before.hostPid);
  });
});
