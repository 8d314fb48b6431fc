import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replayTrace, tellViolation, type TraceViolation } from './replay.js';
import type { RunColumns, TraceStep } from './trace.js';

/**
 * Two tasks of a run of the crash suite, with the columns that the model reads: one whose pod was gone, was sent back by
 * red checks and whose effects were taken over; one that was cancelled while its agent was at work.
 */
const RECORDED: readonly TraceStep[] = readFileSync(join(import.meta.dirname, 'recorded.ndjson'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as TraceStep);

type Row = Record<string, unknown>;
type Doctored = { seq: number; table: string; op: string; id: string; at: string; old: Row | null; new: Row };

/** Changes the first step that `is` one, and with `after` what every later step of that row begins from. */
function doctored(is: (step: Doctored) => boolean, change: (step: Doctored) => void): Doctored[] {
  const steps = structuredClone(RECORDED) as unknown as Doctored[];
  const step = steps.find(is);
  if (step === undefined) throw new Error('the recording holds no such step');
  change(step);
  return steps;
}

function violationOf(steps: readonly unknown[], limits = {}): TraceViolation | null {
  return replayTrace(
    steps.map((step) => JSON.stringify(step)),
    limits,
  ).violation;
}

const move =
  (table: string, from: string | null, to: string) =>
  (step: Doctored): boolean =>
    step.table === table && (step.old?.state ?? null) === from && step.new.state === to;
const set = (row: Row) => (step: Doctored) => void Object.assign(step.new, row);

describe('A recorded trace', () => {
  it('is one that the model allows, and as busy as one wants it', () => {
    expect(
      replayTrace(
        RECORDED.map((step) => JSON.stringify(step)),
        { maxConcurrent: 2, maxAgentsPerPod: 2 },
      ),
    ).toEqual({
      steps: RECORDED.length,
      violation: null,
    });
    const moves = new Set(RECORDED.map(({ table, old, new: now }) => `${table} ${old?.state ?? ''}>${now.state}`));
    for (const wanted of [
      'task provisioning>queued',
      'task pr_opened>queued',
      'task running>cancelled',
      'effect claimed>claimed',
    ])
      expect(moves).toContain(wanted);
  });

  it('may have a run parked that nobody drives, under a raised epoch', () => {
    const at = RECORDED.findIndex(({ table, new: now }) => table === 'run' && now.state === 'running');
    const { new: old, ...step } = RECORDED[at]! as TraceStep<'run'>;
    const parked = { ...old, owner: null, epoch: old.epoch + 1, parked_at: 'now', version: old.version + 1 };
    const parking = { ...step, op: 'update', seq: step.seq + 1, old, new: parked };
    expect(violationOf([...RECORDED.slice(0, at + 1), parking])).toBeNull();
    const passing = { ...parking, new: { ...parked, parked_at: null } };
    expect(violationOf([...RECORDED.slice(0, at + 1), passing])?.what).toMatch(/neither a lease nor a fence/);
  });

  it('may start a task whose run was launched, and is over by then', () => {
    const at = RECORDED.findIndex(
      ({ table, old, new: now }) => table === 'task' && old?.state === 'provisioning' && now.state === 'running',
    );
    const start = RECORDED[at] as TraceStep<'task'>;
    const runId = start.new.current_run_id;
    const runs = RECORDED.slice(0, at).filter(
      (step): step is TraceStep<'run'> => step.table === 'run' && step.id === runId,
    );
    const { new: old, ...last } = runs.at(-1)!;
    const end = { owner: null, lease_expires_at: null, version: old.version + 1 };
    const over = { ...old, ...end, state: 'finished' as const, outcome: { kind: 'failed' }, launched_at: 'then' };
    const ended = { ...last, seq: start.seq - 0.5, op: 'update' as const, old, new: over };
    expect(violationOf([...RECORDED.slice(0, at), ended, start])).toBeNull();
    const never = { ...ended, new: { ...over, launched_at: null } };
    expect(violationOf([...RECORDED.slice(0, at), never, start])?.what).toMatch(/it started, and its run is finished/);
  });

  it('is told with what led to the violation', () => {
    const steps = doctored(move('run', 'running', 'finished'), set({ outcome: null }));
    const text = tellViolation(violationOf(steps)!);
    expect(text).toMatch(/^step \d+: run [-0-9a-f]+: it has an outcome otherwise than when it is finished\n/);
    expect(text).toMatch(/state "running" → "finished"/);
    expect(text.split('\n').length).toBeGreaterThan(3);
  });
});

describe('A doctored trace is caught:', () => {
  const isRun = (step: Doctored): boolean => step.table === 'run' && step.op === 'update';
  const lease = move('run', 'placed', 'leased');
  const judged = move('run', 'running', 'finished');
  const claim = move('effect', 'requested', 'claimed');

  it.each<[string, (step: Doctored) => boolean, (step: Doctored) => void, RegExp]>([
    // tasks
    ['a task that begins anywhere', move('task', null, 'queued'), set({ state: 'running' }), /begins as running/],
    ['a task that begins old', move('task', null, 'queued'), set({ version: 3 }), /begins with a version/],
    [
      'a pair that is no transition',
      move('task', 'queued', 'provisioning'),
      set({ state: 'pr_opened' }),
      /no transition/,
    ],
    [
      'a version that leaps',
      move('task', 'queued', 'provisioning'),
      (step) => set({ version: Number(step.old!.version) + 2 })(step),
      /version goes/,
    ],
    [
      'a version that stays',
      move('task', 'queued', 'provisioning'),
      (step) => set({ version: step.old!.version })(step),
      /and its version didn't/,
    ],
    ['a generation that leaps', move('task', 'queued', 'provisioning'), set({ generation: 4 }), /generation goes/],
    [
      'a placement without a run',
      move('task', 'queued', 'provisioning'),
      (step) => set({ current_run_id: step.old!.current_run_id })(step),
      /left it without another run/,
    ],
    [
      'a placement that isn’t counted',
      move('task', 'queued', 'provisioning'),
      (step) => set({ run_count: step.old!.run_count })(step),
      /its runs went from/,
    ],
    [
      'another run in passing',
      move('task', 'provisioning', 'running'),
      set({ current_run_id: 'x' }),
      /gave it another run/,
    ],
    [
      'a cancel while the agent lives',
      move('task', 'provisioning', 'running'),
      set({ state: 'cancelled' }),
      /cancelled as confirmed while its run was running/,
    ],
    [
      'a requeue while the agent lives',
      move('task', 'provisioning', 'running'),
      set({ state: 'queued' }),
      /requeue while its run was running/,
    ],
    [
      'a cancel that comes to nothing',
      move('task', 'running', 'cancelled'),
      set({ state: 'failed' }),
      /was to be cancelled, and became failed/,
    ],
    ['a pull request without commits', judged, set({ outcome: { kind: 'no_changes' } }), /and its run left no_changes/],
    // runs
    ['a run that begins leased', move('run', null, 'placed'), set({ state: 'leased' }), /begins otherwise/],
    ['a run that isn’t its task’s', move('run', null, 'placed'), set({ id: 'x' }), /not given to it|beside/],
    [
      'a lease under the old epoch',
      lease,
      (step) => set({ epoch: step.old!.epoch })(step),
      /became its owner under epoch 0/,
    ],
    ['an epoch that leaps', lease, set({ epoch: 2 }), /epoch goes from 0 to 2/],
    ['an epoch that falls', judged, set({ epoch: 0 }), /epoch goes/],
    [
      'an epoch raised in passing',
      (step) =>
        isRun(step) &&
        step.new.state === 'running' &&
        step.old!.state === 'running' &&
        step.new.epoch === step.old!.epoch,
      (step) => set({ epoch: Number(step.old!.epoch) + 1, owner: null, version: Number(step.old!.version) + 1 })(step),
      /neither a lease nor a fence/,
    ],
    [
      'a takeover without a raise',
      (step) => isRun(step) && step.new.state === 'running' && step.old!.state === 'running',
      set({ owner: 'somebody else' }),
      /became its owner under epoch/,
    ],
    ['a finished run without an outcome', judged, set({ outcome: null }), /has an outcome otherwise/],
    [
      'a fence under the old epoch',
      judged,
      set({ fenced_at: '2027-01-01T00:00:00Z' }),
      /fenced under the epoch from before/,
    ],
    ['a run that changes its slot', judged, set({ slot: 9 }), /its slot changed/],
    [
      'a journal that is read back',
      (step) => isRun(step) && Number(step.old!.journal_line) > 0,
      set({ journal_line: 0 }),
      /journal is read back/,
    ],
    [
      'a log that shrinks',
      (step) => isRun(step) && Number(step.old!.log_sequence) > 0,
      set({ log_sequence: 0 }),
      /log became shorter/,
    ],
    [
      'a start without an agent',
      move('run', 'leased', 'running'),
      set({ state: 'leased' }),
      /it started, and its run is leased/,
    ],
    [
      'a step that no run makes',
      move('run', 'running', 'running'),
      (step) => set({ state: 'leased', version: Number(step.old!.version) + 1 })(step),
      /running → leased is no step of a run/,
    ],
    // effects
    ['an effect that begins claimed', move('effect', null, 'requested'), set({ state: 'claimed' }), /begins otherwise/],
    [
      'a claim without an epoch',
      claim,
      (step) => set({ claim_epoch: step.old!.claim_epoch })(step),
      /claimed under the epoch from before/,
    ],
    ['a claim epoch that leaps', claim, set({ claim_epoch: 5 }), /claim epoch goes/],
    [
      'a settlement under another epoch',
      move('effect', 'claimed', 'done'),
      (step) => set({ claim_epoch: Number(step.old!.claim_epoch) + 1 })(step),
      /raised to \d+ without a claim/,
    ],
    ['a settlement without a claim', claim, set({ state: 'done' }), /requested → done is no step/],
    [
      'a takeover before its time',
      move('effect', 'claimed', 'claimed'),
      (step) => Object.assign(step, { at: step.old!.deadline_at }),
      /before it had lapsed/,
    ],
    ['another effect under its id', claim, set({ key: 'x' }), /became another effect/],
    // the recording
    [
      'an update beside it',
      judged,
      (step) => Object.assign(step.old!, { journal_line: 1_000_000 }),
      /changed beside the recording/,
    ],
    ['a step out of order', judged, (step) => Object.assign(step, { seq: 0 }), /comes after step/],
  ])('%s', (_, is, change, what) => {
    expect(violationOf(doctored(is, change))?.what).toMatch(what);
  });

  it('a slot, a task, a pod or a limit that is taken twice', () => {
    const task = (id: string, run: string): Doctored[] => {
      const queued = {
        id,
        state: 'queued',
        intent: null,
        generation: 1,
        current_run_id: null,
        run_count: 0,
        agent_unconfirmed: false,
        version: 1,
      };
      const placed = { ...queued, state: 'provisioning', current_run_id: run, run_count: 1, version: 2 };
      const base = { seq: 0, at: '2027-01-01T00:00:00Z', table: 'task', id };
      return [
        { ...base, op: 'insert', old: null, new: queued },
        { ...base, op: 'update', old: queued, new: placed },
      ];
    };
    const run = (id: string, task_id: string, over: Row = {}): Doctored => {
      const row = {
        id,
        task_id,
        repository_id: 'r',
        number: 1,
        state: 'placed',
        pod_id: 'p',
        slot: 0,
        owner: null,
        epoch: 0,
        lease_expires_at: null,
        fenced_at: null,
        outcome: null,
        journal_line: 0,
        log_sequence: 0,
        version: 1,
      };
      return {
        seq: 0,
        at: '2027-01-01T00:00:00Z',
        table: 'run',
        op: 'insert',
        id,
        old: null,
        new: { ...row, ...over },
      };
    };
    const numbered = (steps: Doctored[]): Doctored[] => steps.map((step, seq) => ({ ...step, seq }));
    const two = (over: Row): Doctored[] =>
      numbered([...task('a', 'x'), run('x', 'a'), ...task('b', 'y'), run('y', 'b', over)]);
    expect(violationOf(two({ slot: 1 }))).toBeNull();
    expect(violationOf(two({}))?.what).toMatch(/slot 0 of its pod is taken/);
    expect(violationOf(two({ task_id: 'a' }))?.what).toMatch(/run 1 follows run 1/);
    expect(violationOf(two({ task_id: 'a', number: 2 }))?.what).toMatch(/its task was not given to it/);
    expect(violationOf(two({ slot: 1 }), { maxConcurrent: 1 })?.what).toMatch(/2 runs are unfinished where 1 are/);
    expect(violationOf(two({ slot: 1 }), { maxConcurrentTasks: { r: 1 } })?.what).toMatch(/runs of its repository/);
    expect(violationOf(two({ slot: 1 }), { maxAgentsPerPod: 1 })?.what).toMatch(/runs are in its pod/);
    const before = run('x', 'a');
    const fenced = {
      ...before,
      op: 'update',
      old: before.new,
      new: { ...before.new, state: 'finished', outcome: { kind: 'lost' }, epoch: 1, fenced_at: 'now', version: 2 },
    };
    const steps = numbered([...task('a', 'x'), before, fenced, ...task('b', 'y'), run('y', 'b')]);
    expect(violationOf(steps)?.what).toMatch(/was fenced: it takes nothing new/);
  });

  it('a run that comes back', () => {
    const at = RECORDED.findIndex((step) => judged(step as unknown as Doctored));
    const last = RECORDED[at]!;
    const alive = {
      ...last.new,
      state: 'running',
      outcome: null,
      version: Number((last.new as RunColumns).version) + 1,
    };
    const back = { ...last, seq: last.seq + 1, old: last.new, new: alive };
    expect(violationOf([...RECORDED.slice(0, at + 1), back])?.what).toMatch(/was finished, and changed its outcome/);
  });

  it('a table that nobody knows', () => {
    expect(violationOf([{ ...RECORDED[0], table: 'pod' }])?.what).toMatch(/knows no such table/);
  });

  it('an effect whose key is taken', () => {
    const first = RECORDED.find(({ table, op }) => table === 'effect' && op === 'insert')!;
    const again = { ...first, seq: first.seq + 1, id: 'other', new: { ...first.new, id: 'other' } };
    expect(violationOf([first, again])?.what).toMatch(/a second effect has the key/);
  });
});
