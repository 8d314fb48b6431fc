import { logLine } from './fake-log.mjs';
import { ADA, idOf, instant, SERVICE } from './fake-world.mjs';

/** What the fake gateway tells of the world that isn't stored in it: logs, runs, lives, pull requests, pods. */
export function linesOf(world, task, after, limit) {
  if (task?.isLogExpired) return { lines: [], head: 0, expiredAt: instant(86_400) };
  const head = headOf(world, task);
  const lines = [];
  for (let sequence = after + 1; sequence <= Math.min(head, after + limit); sequence++)
    lines.push(logLine(sequence, world.startedAt));
  return { lines, head, expiredAt: null };
}

export function headOf(world, task) {
  return task?.isLive ? world.liveHead : task?.stalled ? 2_300 : 340;
}

export function runsOf(task) {
  return Array.from({ length: task.runCount }, (_one, index) => {
    const isLast = index === task.runCount - 1;
    const isLive = isLast && (task.state === 'running' || task.state === 'provisioning');
    const kinds = { needs_attention: 'no_changes', failed: 'credential_refused', cancelled: 'stopped' };
    const kind = isLast ? (kinds[task.state] ?? 'commits') : 'commits';
    return {
      id: idOf(`run${index + 1}${task.title}`),
      taskId: task.id,
      number: index + 1,
      reason: index === 0 ? 'initial' : index === 1 ? 'ci_failed' : 'changes_requested',
      state: isLive ? 'running' : 'finished',
      agent: task.agent,
      podId: idOf(`pod${task.repository.fullName}`),
      slot: 0,
      outcome: isLive
        ? null
        : {
            kind,
            detail: kind === 'commits' ? '2 commits, tests green' : (task.attention?.detail ?? 'Stopped on request.'),
            symptom: null,
            commitCount: kind === 'commits' ? 2 : 0,
            head: null,
          },
      usage: [
        {
          model: 'claude-sonnet-4-5',
          inputTokens: 48_211,
          outputTokens: 6_120,
          cacheReadTokens: 391_004,
          cacheWriteTokens: 20_114,
          costUsd: task.costUsd,
        },
      ],
      costUsd: (Number(task.costUsd) / task.runCount).toFixed(2),
      logLines: 340,
      logExpiredAt: task.isLogExpired ? instant(86_400) : null,
      lastLineAt: instant(3),
      stalledAt: task.stalled ? instant(660) : null,
      placedAt: task.startedAt,
      launchedAt: task.startedAt,
      finishedAt: isLive ? null : (task.endedAt ?? instant(60)),
      deadlineAt: instant(-1_800),
      version: 2,
    };
  });
}

export function eventsOf(task) {
  const made = new Date(task.createdAt).getTime();
  const actor = task.ticket ? { kind: 'tracker', id: 'github', name: 'GitHub issues' } : ADA;
  const steps = [
    [
      'created',
      null,
      task.state === 'waiting' ? 'waiting' : 'queued',
      task.ticket ? `Imported from ${task.ticket.key}` : 'Created by hand',
      actor,
      0,
    ],
  ];
  if (task.waiting) steps.push(['waiting', null, null, task.waiting.detail, SERVICE('scheduler'), 1.2]);
  if (task.startedAt)
    steps.push(
      ['transition', 'queued', 'provisioning', 'Placed on pod storefront-0, slot 1', SERVICE('scheduler'), 2.1],
      ['transition', 'provisioning', 'running', 'Agent started (run 1)', SERVICE('agent-runner'), 5.4],
    );
  if (task.pullRequest)
    steps.push(
      ['effect', null, null, `Pushed ${task.branch ?? ''}`, SERVICE('pr-watcher'), 241],
      [
        'transition',
        'running',
        'pr_opened',
        `Pull request #${task.pullRequest.number} opened`,
        SERVICE('pr-watcher'),
        243,
      ],
    );
  if (task.intent === 'cancel') steps.push(['request', null, null, 'Cancel was asked for', ADA, 930]);
  if (['needs_attention', 'failed', 'cancelled'].includes(task.state))
    steps.push([
      'transition',
      'running',
      task.state,
      task.attention?.detail ?? 'Cancelled by a person',
      SERVICE('scheduler'),
      260,
    ]);
  if (task.state === 'completed')
    steps.push(
      ['effect', null, null, 'Merged with squash: all 4 required checks are green', SERVICE('pr-watcher'), 402],
      ['transition', 'pr_opened', 'completed', 'The pull request was merged', SERVICE('pr-watcher'), 404],
      ['effect', null, null, 'Commented on the ticket and closed it', SERVICE('ticket-sync'), 406],
    );
  return steps.map(([kind, from, to, cause, by, seconds], index) => ({
    id: idOf(`${task.title}${index}`),
    taskId: task.id,
    at: new Date(made + seconds * 1_000).toISOString(),
    kind,
    from,
    to,
    cause,
    actor: by,
    traceId: null,
  }));
}

/** What every run asked for: two places that it was kept from, two that it was let to, and a model. */
export function networkOf(runId) {
  const now = Date.now();
  const [firstAt, lastAt] = [new Date(now - 90_000).toISOString(), new Date(now - 4_000).toISOString()];
  const host = (name, port, verdict, reason, connections, bytesUp, bytesDown) => {
    const times = { firstAt, lastAt };
    return { host: name, port, verdict, reason, client: null, connections, bytesUp, bytesDown, ...times };
  };
  return {
    runId,
    hosts: [
      host('telemetry.very-long-name-of-a-vendor.example.com', 443, 'blocked', 'host_blocked', 12, 0, 0),
      host('169.254.169.254', 80, 'blocked', 'address_metadata', 1, 0, 0),
      host('registry.npmjs.org', 443, 'allowed', null, 31, 48_213, 7_412_002),
      host('api.anthropic.com', 443, 'allowed', null, 9, 812_004, 96_310),
    ],
    models: [
      {
        ...{ provider: 'anthropic', model: 'claude-sonnet-4-5', calls: 9, costUsd: null },
        ...{ inputTokens: 41_200, outputTokens: 3_950, cacheReadTokens: 310_000, cacheWriteTokens: 12_000 },
      },
    ],
  };
}

export function pullRequestOf(task) {
  const summary = task.pullRequest;
  const bad = summary.checks === 'red';
  const isMerged = summary.state === 'merged';
  const check = (name, state, required = true) => ({
    name,
    source: 'check_run',
    state,
    required,
    url: 'https://github.com/',
    summary: null,
  });
  return {
    ...summary,
    taskId: task.id,
    repositoryId: task.repository.id,
    title: task.title,
    branch: task.branch,
    baseBranch: 'main',
    headSha: '9f2c1e7ab04d',
    mergeable: 'clean',
    mergeMethod: 'squash',
    refusal: null,
    decision: isMerged
      ? 'Merged: all required checks succeeded on the head that was judged.'
      : bad
        ? 'Sends the agent back in: “test (node 24)” failed on this head.'
        : 'Waits: 1 of 4 required checks is still running.',
    checkList: [
      check('build', 'success'),
      check('test (node 24)', isMerged ? 'success' : bad ? 'failure' : 'pending'),
      check('lint', 'success'),
      check('typecheck', 'success'),
      check('coverage', 'neutral', false),
    ],
    reviewList:
      summary.reviews === 'none'
        ? []
        : [
            {
              author: 'mlindqvist',
              state: summary.reviews === 'approved' ? 'approved' : 'changes_requested',
              body:
                summary.reviews === 'approved'
                  ? 'Nice and small.'
                  : 'Please keep the slug check in the service, not in the controller.',
              submittedAt: instant(1_400),
            },
          ],
    openedAt: instant(1_500),
    mergedAt: isMerged ? task.endedAt : null,
    mergeCommit: isMerged ? 'c0ffee1234abcdef1234abcdef1234abcdef1234' : null,
    closedAt: null,
    closedBy: null,
    lastCheckedAt: instant(9),
    nextCheckAt: isMerged ? null : instant(-21),
    version: 6,
  };
}

export function podsOf(world) {
  return world.repositories.map((one, index) => ({
    id: idOf(`pod${one.fullName}`),
    repositoryId: one.id,
    name: `${one.fullName.split('/')[1]}-0`,
    runtime: 'local',
    state: ['ready', 'ready', 'provisioning'][index] ?? 'ready',
    isolation: index === 0 ? 'isolated' : 'not_isolated',
    isolationReason:
      index === 0
        ? null
        : 'bubblewrap is missing: apt install bubblewrap (or dnf, pacman, apk), or set CAPSTAN_BWRAP_BIN',
    capacity: 2,
    used: index === 2 ? 0 : 2 - index,
    attempts: index === 2 ? 2 : 1,
    problem:
      index === 2
        ? {
            code: 'clone_failed',
            title: 'Clone failed',
            detail: 'git: could not read from remote repository (attempt 2 of 3).',
            remedy: 'Check that the token may read acme/mobile.',
          }
        : null,
    createdAt: instant(7_200),
    readyAt: index === 2 ? null : instant(7_160),
    idleSince: null,
    worktrees: 3 - index,
    health:
      index === 0
        ? [
            { kind: 'healthy', detail: 'Answers again', at: instant(3_000) },
            { kind: 'restarted', detail: 'Started anew after a crash', at: instant(3_040) },
            { kind: 'crashed', detail: 'The supervisor stopped answering', at: instant(3_050) },
          ]
        : [],
    version: 2,
  }));
}
