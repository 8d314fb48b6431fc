import fc from 'fast-check';
import { backoffMs } from './backoff.js';
import { TransientError, UserError, errorText } from './errors.js';
import { branchName, shortId, slugify, uuidv7 } from './ids.js';
import { findCycle } from './task/dependencies.js';
import { BOARD_COLUMNS, COLUMN_OF_STATE, TASK_STATES } from './task/task.js';
import { LEGAL_PAIRS, TASK_TRANSITIONS, canTransition } from './task/task.transitions.js';
import { traceIdOf } from './task/trace.js';

const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe('ids', () => {
  it('makes version 7 UUIDs that order by time', () => {
    fc.assert(
      fc.property(time, time, bytes, bytes, (a, b, left, right) => {
        const one = uuidv7(a, left);
        expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        if (a < b) expect(one < uuidv7(b, right)).toBe(true);
      }),
    );
  });
  it('takes the random end as the short id', () => {
    expect(shortId('018f0000-0000-7000-8000-00001234abcd')).toBe('1234abcd');
  });
  it('makes branch names that git and people can read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 120 }), (title) => {
        const name = branchName('018f0000-0000-7000-8000-00001234abcd', title);
        expect(name).toMatch(/^capstan\/1234abcd-[a-z0-9](-?[a-z0-9])*$/);
        expect(slugify(title).length).toBeLessThanOrEqual(40);
      }),
    );
    expect(branchName('018f0000-0000-7000-8000-00001234abcd', 'Fix it', 3)).toBe('capstan/1234abcd-fix-it-3');
  });
});

describe('the life of a task', () => {
  it('is the table of the design', () => {
    const table: Record<string, string[]> = {};
    for (const [from, to] of LEGAL_PAIRS) (table[from] ??= []).push(to);
    expect(table).toEqual({
      waiting: ['cancelled', 'needs_attention', 'queued'],
      queued: ['cancelled', 'completed', 'provisioning'],
      provisioning: ['cancelled', 'completed', 'failed', 'queued', 'running'],
      running: ['cancelled', 'completed', 'failed', 'needs_attention', 'pr_opened', 'queued'],
      pr_opened: ['cancelled', 'completed', 'failed', 'needs_attention', 'queued'],
      needs_attention: ['cancelled', 'completed', 'failed', 'pr_opened', 'queued'],
      failed: ['completed', 'queued'],
      cancelled: ['completed', 'queued'],
    });
  });
  it('leads out of every state but completed, and to the end from all of them', () => {
    const reachable = (from: string): Set<string> => {
      const seen = new Set([from]);
      for (const state of seen) for (const [a, b] of LEGAL_PAIRS) if (a === state) seen.add(b);
      return seen;
    };
    for (const state of TASK_STATES) expect(reachable(state)).toContain('completed');
    expect(LEGAL_PAIRS.some(([from]) => from === 'completed')).toBe(false);
  });
  it('names each transition by its own key', () => {
    for (const [key, { name, from, to }] of Object.entries(TASK_TRANSITIONS)) {
      expect(name).toBe(key);
      for (const state of from) expect(state).not.toBe(to);
    }
    expect(canTransition('start', 'provisioning')).toBe(true);
    expect(canTransition('start', 'queued')).toBe(false);
  });
  it('shows every state in one column', () => {
    for (const state of TASK_STATES) expect(BOARD_COLUMNS).toContain(COLUMN_OF_STATE[state]);
  });
});

describe('findCycle', () => {
  const node = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');

  it('finds a cycle exactly when there is one', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(node, node)), node, fc.uniqueArray(node), (pairs, task, dependsOn) => {
        const edges = pairs.map(([taskId, dependsOnId]) => ({ taskId, dependsOnId }));
        const kept = edges.filter(({ taskId }) => taskId !== task);
        const reach = new Set<string>(dependsOn);
        for (const at of reach) for (const edge of kept) if (edge.taskId === at) reach.add(edge.dependsOnId);
        const cycle = findCycle(edges, task, dependsOn);
        expect(cycle !== null).toBe(reach.has(task));
        if (cycle === null) return;
        expect([cycle[0], cycle.at(-1)]).toEqual([task, task]);
        expect(dependsOn).toContain(cycle[1]);
        for (let index = 1; index + 1 < cycle.length; index += 1)
          expect(kept.some((edge) => edge.taskId === cycle[index] && edge.dependsOnId === cycle[index + 1])).toBe(true);
      }),
    );
  });
});

describe('back-off', () => {
  it('stays between half and all of the doubled base, and under the ceiling', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempts, random) => {
          const wait = backoffMs(attempts, random, { baseMs: 100, maxMs: 10_000 });
          const ceiling = Math.min(10_000, 100 * 2 ** Math.min(attempts - 1, 30));
          expect(wait).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
          expect(wait).toBeLessThanOrEqual(ceiling);
        },
      ),
    );
  });
});

describe('errors', () => {
  it('say what went wrong down to the cause, in one line', () => {
    const inner = new AggregateError([new Error('refused on ::1'), new Error('refused on 127.0.0.1')]);
    const error = new TransientError("Postgres can't be asked", { code: 'x', cause: inner });
    expect(errorText(error)).toBe("Postgres can't be asked: refused on ::1; refused on 127.0.0.1");
    expect(errorText('plain')).toBe('plain');
    expect(errorText(undefined)).toBe('unknown error');
  });
  it('carry a status that clients can act on', () => {
    expect(new UserError('no', { code: 'x' }).status).toBe(400);
    expect(new UserError('no', { code: 'x', status: 409, field: 'title' })).toMatchObject({
      status: 409,
      field: 'title',
      issues: [],
    });
  });
});

describe('traceIdOf', () => {
  it('reads a traceparent and nothing else', () => {
    expect(traceIdOf('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')).toBe(
      '0af7651916cd43dd8448eb211c80319c',
    );
    expect(traceIdOf('nonsense')).toBeNull();
    expect(traceIdOf(null)).toBeNull();
  });
});
