import { randomUUID } from 'node:crypto';
import { MAX_JOURNAL_BYTES, RUN_ID_VARIABLE } from '@capstan/domain';
import type { AttachItem, JournalLine, LaunchRequest } from '@capstan/domain';
import { eventually } from '@capstan/test-support';
import type { ObservedPod, PodSpec, Runtime } from './runtime.port.js';
import { SupervisorClient } from './supervisor-client.js';

/** What the suite needs of an adapter under test. */
export interface ConformanceSubject {
  readonly runtime: Runtime;
  /** Fields of a pod spec that the platform needs, e.g. an image. */
  readonly spec: Partial<PodSpec>;
  /** Time that a pod may take to become ready, ms. */
  readonly readyMs: number;
}

/** A supervised agent in shell, as the suite launches it: in the boundary that the pod's agents have, where they do. */
export async function shellRun(
  runtime: Runtime,
  pod: string,
  script: string,
  more: Partial<LaunchRequest> = {},
): Promise<LaunchRequest> {
  const root = runtime.root(pod);
  const places = { writable: [`${root}/work`], readable: [`${root}/clone`, `${root}/clone2`] };
  const boundary = await runtime.boundary(pod, places);
  return {
    epoch: 1,
    argv: ['/bin/sh', '-c', script],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    cwd: root,
    deadlineAt: Date.now() + 600_000,
    maxJournalBytes: MAX_JOURNAL_BYTES,
    graceMs: 300,
    ...(boundary && { boundary }),
    ...more,
  };
}

/** Reads an attached run to its end: the journal's lines, without beats. */
export async function readRun(client: SupervisorClient, runId: string, from = 1, epoch = 1): Promise<JournalLine[]> {
  const lines: JournalLine[] = [];
  for await (const batch of client.attach(runId, { from, epoch })) lines.push(...batch.filter(isLine));
  return lines;
}

export function isLine(item: AttachItem): item is JournalLine {
  return !('beat' in item);
}

export function stdoutOf(lines: readonly JournalLine[]): string[] {
  return lines.flatMap((each) => (each.kind === 'stdout' ? [each.text] : []));
}

/** What every runtime must do, in the words of the port. One pod is used for everything that doesn't end it. */
export function runtimeConformance(name: string, makeSubject: () => Promise<ConformanceSubject>): void {
  describe(`runtime ${name}`, () => {
    const label = { 'capstan.test': randomUUID() };
    const pod = `conformance-${randomUUID().slice(0, 8)}`;
    const ended = new AbortController();
    const seen: ObservedPod[] = [];
    let runtime: Runtime;
    let spec: PodSpec;
    let readyMs: number;
    let client: SupervisorClient;

    beforeAll(async () => {
      const subject = await makeSubject();
      ({ runtime, readyMs } = subject);
      spec = { labels: label, env: { FROM_SPEC: 'spec' }, ...subject.spec, name: pod };
      client = new SupervisorClient(runtime, pod);
      runtime.watch(label, (each) => seen.push(each), ended.signal);
      await Promise.all([runtime.create(spec), runtime.create(spec)]);
      await ready(pod);
    }, 180_000);

    afterAll(async () => {
      ended.abort();
      await runtime.delete(pod);
    }, 60_000);

    async function ready(wanted: string): Promise<void> {
      await eventually(async () => (await find(wanted))?.phase === 'ready', readyMs);
    }
    async function find(wanted: string): Promise<ObservedPod | undefined> {
      return (await runtime.list(label)).find((each) => each.name === wanted);
    }
    const node = (script: string): string[] => ['node', '-e', script];
    const run = (script: string, more: Partial<LaunchRequest> = {}): Promise<LaunchRequest> =>
      shellRun(runtime, pod, script, more);

    describe('pods', () => {
      it('makes one pod of two equal requests, found by its labels alone', async () => {
        await runtime.create(spec);
        const found = await runtime.list(label);
        expect(found.map((each) => [each.name, each.phase, each.restarts])).toEqual([[pod, 'ready', 0]]);
        expect(found[0]?.labels).toMatchObject(label);
        expect(await runtime.list({ 'capstan.test': 'another' })).toEqual([]);
      });

      it('watches a pod come and go, and deletes twice without complaint', async () => {
        const name = `${pod}-b`;
        await runtime.create({ ...spec, name });
        await eventually(() => seen.some((each) => each.name === name && each.phase === 'ready'), readyMs);
        await runtime.delete(name);
        await eventually(() => seen.some((each) => each.name === name && each.phase === 'gone'), 60_000);
        expect(await find(name)).toBeUndefined();
        await runtime.delete(name);
      }, 180_000);

      it('deletes the very pod that is meant, and not the one that has its name by now', async () => {
        const name = `${pod}-c`;
        await runtime.create({ ...spec, name });
        await ready(name);
        const first = (await find(name))!;
        await runtime.delete(name, first.uid);
        await eventually(async () => (await find(name)) === undefined, 120_000);
        await runtime.create({ ...spec, name });
        await ready(name);
        await runtime.delete(name, first.uid);
        const second = (await find(name))!;
        expect([second.phase, second.uid === first.uid]).toEqual(['ready', false]);
        await runtime.delete(name, second.uid);
        await eventually(async () => (await find(name)) === undefined, 120_000);
        await runtime.delete(name, second.uid);
      }, 300_000);

      it('refuses an exec in a pod that is not there', async () => {
        await expect(runtime.exec('never-made', { argv: ['true'] })).rejects.toMatchObject({ name: 'UserError' });
      });
    });

    describe('exec', () => {
      it('gives back the exit code, both outputs and every byte', async () => {
        const argv = node(
          `process.stderr.write('beside'); process.stdout.write(Buffer.from([0,255,10,13,128])); process.exitCode=7`,
        );
        const result = await runtime.exec(pod, { argv });
        expect([result.code, [...result.stdout], result.stderr]).toEqual([7, [0, 255, 10, 13, 128], 'beside']);
      });

      it('carries the input whole, in the pod root, with the spec variables and nothing of ours', async () => {
        const text = 'ü'.repeat(200_000);
        const script = `let n=0;process.stdin.on('data',c=>{n+=c.length;if(c.includes(10)){console.log(JSON.stringify([n,process.cwd(),process.env.FROM_SPEC,process.env.HOME_SECRET??null]));process.exit(0)}})`;
        const result = await runtime.exec(pod, { argv: node(script), stdin: `${text}\n` });
        expect(JSON.parse(result.stdout.toString())).toEqual([400_001, runtime.root(pod), 'spec', null]);
      });

      it('bounds a command in time', async () => {
        const slow = runtime.exec(pod, { argv: node('setTimeout(()=>{},60000)'), timeoutMs: 500 });
        await expect(slow).rejects.toMatchObject({ name: 'TransientError', code: 'exec_timeout' });
      });

      it('streams as output comes, and says when the connection was dropped', async () => {
        const stream = await runtime.stream(pod, { argv: node(`console.log('first');setTimeout(()=>{},60000)`) });
        const [chunk] = (await stream.stdout.take(1).toArray()) as Buffer[];
        expect(String(chunk)).toBe('first\n');
        stream.close();
        await expect(stream.exit).rejects.toMatchObject({ name: 'TransientError' });
      });

      it('answers a program that is not there with an error, not an output', async () => {
        const missing = runtime.exec(pod, { argv: ['/no/such/program'] }).then((result) => result.code);
        expect(await missing.catch((error: Error) => error.name)).not.toBe(0);
      });
    });

    describe('runs', () => {
      it('launches, streams each line once, and records the exit', async () => {
        const runId = randomUUID();
        const launched = await client.launch(
          runId,
          await run('cat; echo "to stderr" >&2; exit 3', { stdin: 'one\ntwo\n' }),
        );
        expect(launched).toMatchObject({ alreadyThere: false, process: { runId } });
        const lines = await readRun(client, runId);
        expect(lines.map((each) => each.n)).toEqual([1, 2, 3, 4]);
        expect(stdoutOf(lines)).toEqual(['one', 'two']);
        expect(lines.at(-1)).toMatchObject({ kind: 'exit', exit: { code: 3, signal: null } });
        expect(await client.status(runId)).toMatchObject({ state: 'exited', exit: { code: 3 }, lastLine: 4 });
      });

      it('starts a run once, however often and at once it is launched', async () => {
        const runId = randomUUID();
        const request = await run('echo begun; sleep 0.2');
        const answers = await Promise.all([1, 2, 3].map(() => client.launch(runId, request)));
        expect(answers.filter((each) => !each.alreadyThere)).toHaveLength(1);
        expect(new Set(answers.map((each) => each.process.pid)).size).toBe(1);
        expect(stdoutOf(await readRun(client, runId))).toHaveLength(1);
      });

      it('keeps the agent through a dropped connection and loses no line', async () => {
        const runId = randomUUID();
        await client.launch(runId, await run('for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done'));
        const dropped = new AbortController();
        const first: JournalLine[] = [];
        const reading = (async () => {
          for await (const batch of client.attach(runId, { from: 1, epoch: 1, signal: dropped.signal })) {
            first.push(...batch.filter(isLine));
            dropped.abort();
          }
        })();
        await expect(reading).rejects.toMatchObject({ name: 'TransientError' });
        const rest = await readRun(client, runId, first.length + 1);
        const texts = stdoutOf([...first, ...rest]);
        expect(texts).toEqual(['1', '2', '3', '4', '5', '6']);
      });

      it('fences: a lower epoch can neither attach, nor launch, nor command', async () => {
        const runId = randomUUID();
        await client.launch(runId, await run('sleep 60', { epoch: 5 }));
        const refused = { code: 'fenced' };
        await expect(readRun(client, runId, 1, 4)).rejects.toMatchObject(refused);
        await expect(client.launch(runId, await run('sleep 60', { epoch: 4 }))).rejects.toMatchObject(refused);
        expect(await client.command(runId, { id: 'late', epoch: 4, command: 'stop' })).toMatchObject({
          accepted: false,
          refusal: 'fenced',
        });
        expect(await client.status(runId)).toMatchObject({ state: 'running', epoch: 5 });
        const stop = { id: 'now', epoch: 5, command: 'stop' } as const;
        expect(await client.command(runId, stop)).toEqual({ id: 'now', accepted: true });
        expect((await readRun(client, runId, 1, 6)).at(-1)).toMatchObject({ exit: { ended: 'stopped' } });
        expect(await client.command(runId, stop)).toEqual({ id: 'now', accepted: true });
      });

      it('stops a daemon that left its session and every ancestor', async () => {
        const runId = randomUUID();
        const daemon = 'trap "" TERM INT HUP; while :; do sleep 0.1; done';
        await client.launch(
          runId,
          await run(`trap "" TERM INT; (setsid sh -c '${daemon}' >/dev/null 2>&1 &) ; echo up; sleep 600`),
        );
        const marked = `for (const p of require('fs').readdirSync('/proc').filter(Number)) { try { const e = require('fs').readFileSync('/proc/' + p + '/environ', 'latin1'); if (e.includes('${RUN_ID_VARIABLE}=${runId}')) console.log(p) } catch {} }`;
        const alive = async (): Promise<number> =>
          (await runtime.exec(pod, { argv: node(marked) })).stdout.toString().split('\n').length - 1;
        await eventually(async () => (await alive()) >= 3);
        await client.command(runId, { id: 'stop', epoch: 1, command: 'stop' });
        await eventually(async () => (await client.status(runId)).state === 'exited');
        expect(await alive()).toBe(0);
      }, 60_000);

      it('starts, streams and looks at the work in one connection', async () => {
        const root = runtime.root(pod);
        const make = `const {execFileSync:x}=require('child_process');const o={cwd:${JSON.stringify(root)}};x('git',['init','-q','-b','main','source'],o);o.cwd+='/source';x('git',['-c','user.name=t','-c','user.email=t@t','commit','-q','--allow-empty','-m','first'],o)`;
        expect((await runtime.exec(pod, { argv: node(make) })).code).toBe(0);
        const runId = randomUUID();
        const places = { worktree: 'work/2', home: 'work/2.home', branch: 'capstan/two' };
        const request = {
          prepare: { ...places, clone: 'clone2', remoteUrl: `${root}/source`, baseBranch: 'main', fresh: false },
          launch: await run('echo begun; echo new > b; sleep 0.3; echo done', { cwd: `${root}/work/2` }),
          follow: { from: 1, finish: { ...places, message: 'Add b', author: 'Capstan <c@capstan>' } },
        };
        const { signal } = new AbortController();
        const started = await client.startAndFollow(runId, request, { signal });
        expect(started.answer).toMatchObject({ alreadyThere: false, process: { runId } });
        const lines: JournalLine[] = [];
        for await (const batch of started.journal()) lines.push(...batch.filter(isLine));
        expect(stdoutOf(lines)).toEqual(['begun', 'done']);
        expect(lines.at(-1)).toMatchObject({ kind: 'exit', exit: { code: 0 } });
        expect(started.finished).toMatchObject({ commitCount: 1, committedLeftovers: true });
        const gone = { ...request, prepare: { ...request.prepare, baseBranch: 'gone' } };
        const refused = client.startAndFollow(randomUUID(), gone, { signal });
        await expect(refused).rejects.toMatchObject({ name: 'UserError', code: 'base_branch_missing' });
      }, 60_000);

      it('goes on reading where a connection that also started the run was dropped', async () => {
        const root = runtime.root(pod);
        const runId = randomUUID();
        const places = { worktree: 'work/3', home: 'work/3.home', branch: 'capstan/three' };
        const request = {
          prepare: { ...places, clone: 'clone2', remoteUrl: `${root}/source`, baseBranch: 'main', fresh: false },
          launch: await run('for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done', { cwd: `${root}/work/3` }),
          follow: { from: 1, finish: { ...places, message: 'm', author: 'Capstan <c@capstan>' } },
        };
        const dropped = new AbortController();
        const started = await client.startAndFollow(runId, request, { signal: dropped.signal });
        const first: JournalLine[] = [];
        const reading = (async () => {
          for await (const batch of started.journal()) {
            first.push(...batch.filter(isLine));
            dropped.abort();
          }
        })();
        await expect(reading).rejects.toMatchObject({ name: 'TransientError' });
        expect(started.finished).toBeUndefined();
        const rest = await readRun(client, runId, first.length + 1);
        expect(stdoutOf([...first, ...rest])).toEqual(['1', '2', '3', '4', '5', '6']);
      }, 60_000);

      it('prepares a worktree, keeps what the agent made of it, and hands it out as a bundle', async () => {
        const root = runtime.root(pod);
        const make = `const {execFileSync:x}=require('child_process');const o={cwd:${JSON.stringify(root)}};x('git',['init','-q','-b','main','origin'],o);o.cwd+='/origin';require('fs').writeFileSync(o.cwd+'/a','a');x('git',['add','.'],o);x('git',['-c','user.name=t','-c','user.email=t@t','commit','-qm','first'],o)`;
        const made = await runtime.exec(pod, { argv: node(make) });
        expect([made.code, made.stderr]).toEqual([0, '']);
        const runId = randomUUID();
        const places = { clone: 'clone', worktree: 'work/1', home: 'work/1.home' };
        const branch = 'capstan/abc-fix';
        const prepared = await client.prepare(runId, {
          ...places,
          ...{ remoteUrl: `${root}/origin`, baseBranch: 'main', branch, fresh: false },
        });
        expect(prepared).toMatchObject({ reused: false, base: prepared.head });
        await client.launch(runId, await run('echo new > b', { cwd: `${root}/work/1` }));
        await readRun(client, runId);
        const finish = { ...places, branch, base: prepared.base, message: 'Add b', author: 'Capstan <c@capstan>' };
        const finished = await client.finish(runId, finish);
        expect(finished).toMatchObject({ commitCount: 1, committedLeftovers: true });
        const bundle = await client.collect(runId, { ...places, branch, base: prepared.base });
        expect(bundle.toString('latin1')).toContain(`${finished.head} refs/heads/${branch}`);
        await client.discard({ paths: [places.worktree, places.home], runIds: [runId] });
        expect(await client.status(runId)).toMatchObject({ state: 'unknown' });
      });
    });
  });
}
