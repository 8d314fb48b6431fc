import { idOf, instant } from './fake-world.mjs';

const ROWS = [
  {
    kind: 'effect',
    subject: 'Push branch: Add keyset cursors to GET /orders',
    task: 'Add keyset cursors to GET /orders',
    repository: 'acme/storefront',
    lastError: {
      code: 'forge_unreachable',
      title: 'The forge can not be reached',
      detail: 'POST https://github.com/acme/storefront.git/git-receive-pack: 502 Bad Gateway',
      remedy: 'Wait, or look at the forge’s status page.',
    },
    dropMeans: 'The write is recorded as dropped and never done. A task whose work it carries needs a person then.',
    age: 312,
  },
  {
    kind: 'run',
    subject: 'Run 2: Bump the TLS floor to 1.3 in the ingress chart and say so in the upgrade notes',
    task: 'Bump the TLS floor to 1.3 in the ingress chart and say so in the upgrade notes',
    repository: 'acme/platform',
    lastError: { code: null, title: null, detail: 'ENOSPC: no space left on device, write', remedy: null },
    holds: 'Slot 1 of pod platform-0',
    dropMeans:
      'The run is ended as failed and its slot is free. Where its agent was launched, nothing of it is published and its pod is replaced.',
    age: 4_100,
  },
  {
    kind: 'pod',
    subject: 'mobile-0',
    repository: 'acme/mobile',
    lastError: { code: null, title: null, detail: 'listing pods failed: permission denied', remedy: null },
    holds: 'Its place among the repository’s pods; nothing new is placed on it',
    dropMeans: 'The pod is deleted; another one is made when there is work. Refused while an agent is at work in it.',
    refusal: ['2 agents are at work in this pod', 'Replay it, or cancel the tasks that run there first.'],
    age: 86_000,
  },
];

/** What is parked in the fake's world. */
export function parkedRows() {
  return ROWS.map(({ task, repository, age, holds = null, ...row }) => ({
    ...row,
    id: idOf(`parked${row.subject}`),
    shortId: idOf(`parked${row.subject}`).slice(-8),
    task: task === undefined ? null : { id: idOf(task), shortId: idOf(task).slice(-8), title: task },
    repository: { id: idOf(repository), fullName: repository },
    attempts: 8,
    parkedAt: instant(age),
    holds,
    asked: null,
  }));
}

/** Its part of the contract; `refuse` makes the gateway's refusal. */
export function parkedHandlers(world, announce, refuse) {
  const act =
    (action) =>
    ({ params }) => {
      const at = world.parked.findIndex(({ kind, id }) => kind === params.kind && id === params.rowId);
      const request = {
        id: crypto.randomUUID(),
        kind: params.kind,
        rowId: params.rowId,
        action,
        createdAt: instant(0),
      };
      const answered = (answer) => ({ ...request, answeredAt: instant(0), answer });
      if (at < 0) return answered({ applied: false, code: 'not_parked', detail: 'It is not parked (any more)' });
      const { refusal } = world.parked[at];
      if (action === 'drop' && refusal !== undefined)
        throw refuse(409, 'drop_refused', refusal[0], { remedy: refusal[1] });
      world.parked.splice(at, 1);
      announce({ kind: 'parked_row', id: params.rowId, version: null, taskId: null });
      const detail = action === 'replay' ? 'It is tried again' : 'It is recorded as dropped';
      return answered({ applied: true, code: action === 'replay' ? 'replayed' : 'dropped', detail });
    };
  return {
    listParked: ({ query }) => ({
      items: world.parked.slice(0, query.limit).map(({ refusal: _refusal, ...row }) => row),
      next: null,
      counts: Object.fromEntries(world.parked.map(({ kind }) => [kind, 1])),
      total: world.parked.length,
    }),
    replayParked: act('replay'),
    dropParked: act('drop'),
    replayAllParked: () => {
      const requested = world.parked.splice(0).length;
      announce({ kind: 'parked_row', id: 'all', version: null, taskId: null });
      return [202, { requested }];
    },
    parkedRequest: () => {
      throw refuse(404, 'request_not_found', 'There is no such request.');
    },
  };
}
