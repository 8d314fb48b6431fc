import { symptomList } from '@capstan/api';
import { agentHandlers } from './fake-agents.mjs';
import { credentialHandlers, credentialsOf } from './fake-credentials.mjs';
import { forgeAppHandlers } from './fake-forge-apps.mjs';
import { tokenHandlers } from './fake-tokens.mjs';
import { parkedHandlers } from './fake-parked.mjs';
import { eventsOf, headOf, linesOf, networkOf, podsOf, pullRequestOf, runsOf } from './fake-views.mjs';
import { idOf, instant, makeTask } from './fake-world.mjs';

/** A refusal with the code and the detail that the gateway would answer. */
export class Refusal extends Error {
  constructor(status, code, detail, more = {}) {
    super(detail);
    Object.assign(this, { status, code, more });
  }
}

const COLUMNS = ['queued', 'working', 'needs_you', 'in_review', 'done'];

/** One function for each operation of the contract: ({ params, query, body }) → the answer, or [status, answer]. */
export function makeHandlers(world, announce) {
  world.credentials ??= credentialsOf(world);
  const bare = ({ isLive: _isLive, ...task }) => task;
  const taskOf = (key) => {
    const task = world.tasks.find(({ id, shortId }) => id === key || shortId === key);
    if (task === undefined) throw new Refusal(404, 'task_not_found', 'There is no such task in this workspace.');
    return task;
  };
  const taskOfRun = (runId) => {
    const task = world.tasks.find((one) => runsOf(one).some(({ id }) => id === runId));
    if (task === undefined) throw new Refusal(404, 'run_not_found', 'There is no such run in this workspace.');
    return task;
  };
  const matching = ({ repositoryId, search = '' }) =>
    world.tasks.filter(
      (task) =>
        (repositoryId === undefined || task.repository.id === repositoryId) &&
        `${task.title} ${task.shortId} ${task.ticket?.key ?? ''}`.toLowerCase().includes(search.toLowerCase()),
    );
  const me = () => ({
    user: { id: idOf('ada'), email: 'ada@acme.dev', name: 'Ada Okafor' },
    workspace: {
      id: idOf('acme'),
      name: world.name,
      slug: 'acme',
      pausedAt: world.pausedAt,
      pausedBy: world.pausedAt === null ? null : 'Ada Okafor',
    },
    role: 'admin',
    permissions: [
      'workspace.read',
      'repository.read',
      'task.read',
      'pod.read',
      'event.read',
      'task.write',
      'workspace.manage',
      'repository.manage',
      'secret.manage',
      'secret.own',
      'parked.read',
      'parked.manage',
    ],
    isolation: 'not_isolated',
    version: '0.1.0',
  });
  const change = (task, changes) => {
    Object.assign(task, changes, { version: task.version + 1, updatedAt: instant(0) });
    announce({ kind: 'task', id: task.id, version: task.version, taskId: task.id });
  };
  const asked = (kind, task, apply, answeredLater = false) => {
    const request = {
      id: crypto.randomUUID(),
      taskId: task.id,
      kind,
      createdAt: instant(0),
      answeredAt: instant(0),
      answer: { applied: true, code: 'applied', detail: 'Done.' },
    };
    if (!answeredLater) {
      apply();
      return request;
    }
    const open = { ...request, answeredAt: null, answer: null };
    world.requests.set(request.id, open);
    setTimeout(() => {
      world.requests.set(request.id, request);
      apply();
    }, 4_000);
    return [202, open];
  };
  const enter = () => {
    world.signedIn = true;
    return me();
  };
  const removeOne = (list, isIt) => {
    const at = list.findIndex(isIt);
    if (at >= 0) list.splice(at, 1);
  };

  return {
    setUpStatus: () => ({ needed: world.needsSetUp }),
    setUp: () => ((world.needsSetUp = false), enter()),
    signIn: ({ body }) => {
      if (body.password !== 'correct horse')
        throw new Refusal(401, 'credentials_refused', 'E-mail or password is wrong.', {
          remedy: 'The fake’s password is “correct horse”.',
        });
      return enter();
    },
    redeemLink: enter,
    createLink: () => ({ token: 'x'.repeat(32), path: `/sign-in#link=${'x'.repeat(32)}`, expiresAt: instant(-600) }),
    signOut: () => void (world.signedIn = false),
    me,
    listTokens: () => ({ items: world.tokens }),
    createToken: ({ body }) => {
      const token = { id: crypto.randomUUID(), name: body.name, createdAt: instant(0), lastUsedAt: null };
      world.tokens.push(token);
      return { ...token, token: `cap_${crypto.randomUUID().replaceAll('-', '')}` };
    },
    revokeToken: ({ params }) => removeOne(world.tokens, ({ id }) => id === params.tokenId),
    patchWorkspace: ({ body }) => {
      if (body.name !== undefined) world.name = body.name;
      if (body.paused !== undefined) world.pausedAt = body.paused ? instant(0) : null;
      announce({ kind: 'workspace', id: idOf('acme'), version: null, taskId: null });
      return me().workspace;
    },
    board: ({ query }) => ({
      columns: COLUMNS.map((column) => ({
        column,
        items: matching(query)
          .filter((task) => task.column === column)
          .slice(0, query.limit)
          .map(bare),
        total: matching(query).filter((task) => task.column === column).length,
      })),
    }),
    listTasks: ({ query }) => ({ items: matching(query).slice(0, query.limit).map(bare), next: null }),
    createTask: ({ body }) => {
      const repository = world.repositories.find(({ id }) => id === body.repositoryId);
      if (repository === undefined)
        throw new Refusal(422, 'repository_unknown', 'There is no such repository in this workspace.', {
          field: 'repositoryId',
        });
      const task = makeTask('queued', body.title, repository.fullName, { age: 0 });
      world.tasks.unshift(task);
      announce({ kind: 'task', id: task.id, version: 1, taskId: task.id });
      return task;
    },
    task: ({ params }) => {
      const task = taskOf(params.taskId);
      const allow = {
        message: !['completed', 'cancelled'].includes(task.state),
        interrupt: task.state === 'running',
        cancel: !['completed', 'cancelled', 'failed'].includes(task.state) && task.intent === null,
        retry: ['failed', 'needs_attention', 'cancelled'].includes(task.state),
        force_restart: task.state === 'running',
        force_redo: task.state !== 'queued',
        check_now: task.state === 'pr_opened',
      };
      const why = {
        message: 'The task is over.',
        interrupt: 'No agent is at work.',
        cancel: 'It has ended, or is being cancelled already.',
        retry: 'Only what failed, was cancelled or needs attention can be retried.',
        force_restart: 'No agent is at work.',
        force_redo: 'It has not begun.',
        check_now: 'It has no open pull request.',
      };
      const ref = ({ id, shortId, title, state }) => ({ id, shortId, title, state });
      return {
        ...bare(task),
        body:
          task.state === 'queued'
            ? ''
            : 'The last row of a page comes again as the first of the next one.\n\nDone when `npm test` is green and a page of an empty list has no cursor.',
        baseBranch: 'main',
        limits: { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 250, stallMinutes: 10, ...task.ownLimits },
        ownLimits: task.ownLimits ?? {},
        dependsOn: task.state === 'waiting' ? world.tasks.slice(0, 1).map(ref) : [],
        neededBy: [],
        runs: runsOf(task),
        actions: Object.keys(allow).map((kind) => ({
          kind,
          allowed: allow[kind],
          reason: allow[kind] ? null : why[kind],
        })),
        traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      };
    },
    taskEvents: ({ params }) => ({ items: eventsOf(taskOf(params.taskId)), next: null }),
    messageTask: ({ params }) => asked('message', taskOf(params.taskId), () => change(taskOf(params.taskId), {})),
    interruptTask: ({ params }) => asked('interrupt', taskOf(params.taskId), () => change(taskOf(params.taskId), {})),
    setTaskLimits: ({ params, body }) => {
      const set = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
      return asked('set_limits', taskOf(params.taskId), () => change(taskOf(params.taskId), { ownLimits: set }));
    },
    cancelTask: ({ params }) => {
      const task = taskOf(params.taskId);
      return asked(
        'cancel',
        task,
        () =>
          change(
            task,
            task.state === 'running'
              ? { intent: 'cancel' }
              : { state: 'cancelled', column: 'done', endedAt: instant(0) },
          ),
        task.state === 'running',
      );
    },
    retryTask: ({ params }) =>
      asked('retry', taskOf(params.taskId), () =>
        change(taskOf(params.taskId), { state: 'queued', column: 'queued', attention: null, endedAt: null }),
      ),
    restartTask: ({ params }) =>
      asked('force_restart', taskOf(params.taskId), () => change(taskOf(params.taskId), { intent: 'restart' })),
    redoTask: ({ params }) =>
      asked('force_redo', taskOf(params.taskId), () => change(taskOf(params.taskId), { intent: 'redo' })),
    checkTask: ({ params }) => asked('check_now', taskOf(params.taskId), () => change(taskOf(params.taskId), {})),
    reprioritizeTask: ({ params, body }) =>
      asked('reprioritize', taskOf(params.taskId), () => change(taskOf(params.taskId), body)),
    cancelActive: () => [
      202,
      { requested: world.tasks.filter(({ column }) => column === 'queued' || column === 'working').length },
    ],
    retryFailed: () => [202, { requested: world.tasks.filter(({ state }) => state === 'failed').length }],
    request: ({ params }) => world.requests.get(params.requestId),
    run: ({ params }) => runsOf(taskOfRun(params.runId)).find(({ id }) => id === params.runId),
    runLog: ({ params, query }) => {
      const task = taskOfRun(params.runId);
      return { runId: params.runId, ...linesOf(world, task, query.after, query.limit), ended: !task.isLive };
    },
    runNetwork: ({ params }) => networkOf(params.runId),
    pullRequest: ({ params }) =>
      pullRequestOf(world.tasks.find((task) => task.pullRequest?.id === params.pullRequestId)),
    listPullRequests: () => ({
      items: world.tasks.filter((task) => task.pullRequest !== null).map(pullRequestOf),
      next: null,
    }),
    listRepositories: () => ({ items: world.repositories }),
    repository: ({ params }) => world.repositories.find(({ id }) => id === params.repositoryId),
    ...tokenHandlers(world),
    ...forgeAppHandlers(world),
    createRepository: ({ body }) => {
      if (body.token === 'bad')
        throw new Refusal(422, 'token_refused', 'The forge refused the token (401).', {
          field: 'token',
          remedy: 'Make a token with contents, issues and pull requests.',
        });
      const { token: _token, webhookSecret, label: _label, watchIssues: _watch, limits, ...settings } = body;
      const added = {
        ...(world.repositories[0] ?? {}),
        ...settings,
        id: idOf(body.fullName),
        webhookSecretSet: webhookSecret !== undefined,
        limits: { ...world.repositories[0]?.limits, ...limits },
        version: 1,
      };
      world.repositories.push(added);
      announce({ kind: 'repository', id: added.id, version: 1, taskId: null });
      return added;
    },
    patchRepository: ({ params, body }) => {
      const one = world.repositories.find(({ id }) => id === params.repositoryId);
      if (body.version !== one.version)
        throw new Refusal(409, 'version_conflict', `Version ${body.version} was read, ${one.version} is stored.`, {
          remedy: 'Read it again and repeat the change.',
        });
      Object.assign(one, body, { limits: { ...one.limits, ...body.limits }, version: one.version + 1 });
      announce({ kind: 'repository', id: one.id, version: one.version, taskId: null });
      return one;
    },
    deleteRepository: () => {
      throw new Refusal(409, 'repository_in_use', 'It has 5 live tasks.', { remedy: 'Cancel them first.' });
    },
    ...agentHandlers(world, announce, (...words) => new Refusal(...words)),
    listTicketSources: () => ({ items: world.sources }),
    pollTicketSource: ({ params }) => {
      const source = world.sources.find(({ id }) => id === params.ticketSourceId);
      Object.assign(source, { lastPolledAt: instant(0), nextPollAt: instant(-30) });
      announce({ kind: 'ticket_source', id: source.id, version: 2, taskId: null });
      return { asked: true };
    },
    ...credentialHandlers(world, announce, (...words) => new Refusal(...words)),
    listSymptoms: () => symptomList(),
    ...parkedHandlers(world, announce, (...words) => new Refusal(...words)),
    listPods: () => ({ items: podsOf(world) }),
    listWorkers: () => ({
      items:
        world.repositories.length === 0
          ? []
          : [
              {
                id: idOf('worker'),
                host: 'capstan-1',
                ready: true,
                slots: 8,
                used: 4,
                draining: false,
                heartbeatAt: instant(1),
                startedAt: instant(7_300),
              },
            ],
    }),
    listEvents: () => ({ items: world.tasks.flatMap(eventsOf).slice(0, 50), next: null }),
    headOfRun: (runId) => ({ head: headOf(world, taskOfRun(runId)), ended: !taskOfRun(runId).isLive }),
  };
}
