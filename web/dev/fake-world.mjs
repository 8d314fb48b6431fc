/** A workspace with something in every state, in memory, for developing and looking at the dashboard. */
const HEX = (text) =>
  [...text]
    .reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7)
    .toString(16)
    .padStart(8, '0');
export const idOf = (name) =>
  `0193a5e0-${HEX(`a${name}`).slice(0, 4)}-7${HEX(`b${name}`).slice(0, 3)}-8${HEX(`c${name}`).slice(0, 3)}-${HEX(`d${name}`).slice(0, 4)}${HEX(name)}`;
const LIMITS = { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 250, stallMinutes: 10 };
export const instant = (agoSeconds) => new Date(Date.now() - agoSeconds * 1_000).toISOString();
export const SERVICE = (id) => ({ kind: 'service', id, name: id });
export const ADA = { kind: 'user', id: idOf('ada'), name: 'Ada Okafor' };

function repository(fullName, more = {}) {
  return {
    id: idOf(fullName),
    forge: 'github',
    fullName,
    apiUrl: 'https://api.github.com',
    cloneUrl: `https://github.com/${fullName}.git`,
    webUrl: `https://github.com/${fullName}`,
    defaultBranch: 'main',
    agent: {
      agent: 'command',
      argv: ['claude', '-p', '--output-format', 'stream-json'],
      promptVia: 'stdin',
      output: 'ndjson',
    },
    promptTemplate: null,
    instructions: 'Run the tests before you finish.',
    maxConcurrentTasks: 2,
    maxPodInstances: 1,
    maxAgentsPerPod: 2,
    image: null,
    autoMerge: true,
    mergeMethod: 'squash',
    mergeWithoutChecks: false,
    requiredApprovals: 0,
    allowWorkflowChanges: false,
    allowSubmoduleChanges: false,
    allowSubmoduleFetch: false,
    egressHosts: [],
    credentialSecret: 'GITHUB_TOKEN',
    forgeApp: null,
    limits: LIMITS,
    webhookUrl: `https://capstan.acme.dev/hooks/github/${idOf(fullName)}`,
    webhookSecretSet: true,
    lastDeliveryAt: instant(48),
    activeTasks: 2,
    queuedTasks: 3,
    pods: 1,
    createdAt: instant(86_400 * 12),
    version: 3,
    ...more,
  };
}

const SPECS = [
  [
    'queued',
    'Add keyset cursors to GET /orders',
    'acme/storefront',
    {
      waiting: [
        'repository_limit',
        'Repository limit',
        'Repository limit 2 of 2: two tasks of acme/storefront are at work.',
        'Raise “Tasks at once” of the repository, or wait.',
        1,
      ],
      ticket: 418,
      age: 312,
    },
  ],
  [
    'queued',
    'Bump the TLS floor to 1.3 in the ingress chart and say so in the upgrade notes',
    'acme/platform',
    {
      waiting: [
        'rate_limited',
        'Rate limit',
        'The credential ANTHROPIC_KEY is rate-limited until 14:35.',
        'Wait, or set another credential.',
        2,
      ],
      age: 1_980,
    },
  ],
  [
    'waiting',
    'Remove the legacy cart endpoint',
    'acme/storefront',
    {
      waiting: ['dependency', 'Dependency', 'Waits for “Add keyset cursors to GET /orders”.', null, null],
      ticket: 421,
      age: 5_400,
    },
  ],
  [
    'running',
    'Fix the off-by-one at page borders',
    'acme/storefront',
    { ticket: 412, started: 421, cost: '0.38', runs: 1, isLive: true, age: 447 },
  ],
  [
    'running',
    'Stop swallowing connection errors in the webhook dispatcher so that a failed delivery is retried',
    'acme/platform',
    { started: 2_710, cost: '2.14', runs: 2, stalled: true, age: 2_790 },
  ],
  ['provisioning', 'Render dates in the reader’s zone', 'acme/mobile', { started: 14, age: 31, ticket: 77 }],
  [
    'running',
    'Replace moment with Intl in invoices',
    'acme/storefront',
    { started: 904, cost: '0.91', runs: 1, intent: 'cancel', age: 960 },
  ],
  [
    'needs_attention',
    'Make the import job resumable',
    'acme/platform',
    {
      attention: [
        'no_changes',
        'No changes',
        'The agent finished without changing anything.',
        'Read the end of its log; say in the ticket what is to change, then retry.',
      ],
      started: 7_300,
      cost: '1.07',
      runs: 1,
      age: 7_400,
    },
  ],
  [
    'failed',
    'Rotate the signing key of session cookies',
    'acme/storefront',
    {
      attention: [
        'credential_refused',
        'Credential refused',
        'The model provider refused ANTHROPIC_KEY (401).',
        'Set a valid key under Settings, Secrets, then retry.',
      ],
      started: 9_000,
      ended: 8_960,
      cost: '0',
      runs: 1,
      ticket: 399,
      age: 9_100,
    },
  ],
  [
    'pr_opened',
    'Cache the product tree for ten minutes',
    'acme/storefront',
    { pr: ['open', 1287, 'pending', 'none'], started: 1_260, cost: '0.84', runs: 1, ticket: 405, age: 1_300 },
  ],
  [
    'pr_opened',
    'Return 409 instead of 500 on a duplicate slug',
    'acme/platform',
    { pr: ['open', 533, 'red', 'changes_requested'], started: 5_100, cost: '3.20', runs: 3, age: 5_200 },
  ],
  [
    'completed',
    'Add a health check to the e-mail worker',
    'acme/platform',
    {
      pr: ['merged', 529, 'green', 'approved'],
      started: 12_400,
      ended: 11_980,
      cost: '0.42',
      runs: 1,
      age: 12_500,
      ticket: 310,
    },
  ],
  [
    'completed',
    'Tidy the flaky checkout test',
    'acme/storefront',
    { pr: ['merged', 1281, 'green', 'none'], started: 20_000, ended: 19_702, cost: '0.29', runs: 1, age: 20_100 },
  ],
  [
    'cancelled',
    'Try the new bundler',
    'acme/mobile',
    { started: 30_000, ended: 29_100, cost: '1.66', runs: 1, age: 30_100 },
  ],
  [
    'completed',
    'Document the retry policy',
    'acme/platform',
    {
      pr: ['merged', 521, 'green', 'approved'],
      started: 2_941_000,
      ended: 2_940_655,
      cost: '0.18',
      runs: 1,
      age: 2_941_050,
      isLogExpired: true,
    },
  ],
];

function explanation(words) {
  if (words === undefined) return null;
  const [code, title, detail, remedy] = words;
  return { code, title, detail, remedy };
}

const COLUMN = {
  waiting: 'queued',
  queued: 'queued',
  provisioning: 'working',
  running: 'working',
  needs_attention: 'needs_you',
  failed: 'needs_you',
  pr_opened: 'in_review',
  completed: 'done',
  cancelled: 'done',
};

export function makeTask(state, title, fullName, more = {}) {
  const id = idOf(title);
  const at = (ago) => (ago === undefined ? null : instant(ago));
  return {
    id,
    shortId: id.slice(-8),
    kind: 'change',
    title,
    state,
    column: COLUMN[state],
    priority: 100,
    repository: { id: idOf(fullName), fullName },
    agent: 'claude-code',
    intent: more.intent ?? null,
    waiting: more.waiting ? { ...explanation(more.waiting), position: more.waiting[4] } : null,
    attention: explanation(more.attention),
    branch: more.started ? `capstan/${id.slice(-8)}-${title.toLowerCase().replace(/\W+/g, '-').slice(0, 32)}` : null,
    ticket: more.ticket
      ? { key: `${fullName}#${more.ticket}`, url: `https://github.com/${fullName}/issues/${more.ticket}` }
      : null,
    pullRequest: more.pr
      ? {
          id: idOf(`pr${title}`),
          number: more.pr[1],
          url: `https://github.com/${fullName}/pull/${more.pr[1]}`,
          state: more.pr[0],
          checks: more.pr[2],
          reviews: more.pr[3],
        }
      : null,
    currentRunId: more.runs ? idOf(`run${more.runs}${title}`) : null,
    runCount: more.runs ?? 0,
    costUsd: more.cost ?? '0',
    agentUnconfirmed: false,
    stalled: more.stalled ?? false,
    stalledSince: more.stalled ? instant(660) : null,
    isolation: more.started ? 'not_isolated' : null,
    createdAt: at(more.age ?? 0),
    updatedAt: at(more.started ?? more.age ?? 0),
    startedAt: at(more.started),
    endedAt: at(more.ended),
    version: 4,
  };
}

export function makeWorld({ empty = false, lines = 24_000 } = {}) {
  const world = {
    needsSetUp: false,
    signedIn: true,
    pausedAt: null,
    pausedBy: null,
    name: 'Acme',
    lines,
    liveHead: empty ? 0 : lines,
    links: { postgres: true, nats: true },
    requests: new Map(),
    parked: [],
    repositories: empty
      ? []
      : [
          repository('acme/storefront'),
          repository('acme/platform', { maxConcurrentTasks: 4, requiredApprovals: 1, activeTasks: 1, queuedTasks: 1 }),
          repository('acme/mobile', { activeTasks: 1, queuedTasks: 0, webhookSecretSet: false, lastDeliveryAt: null }),
        ],
    tasks: empty
      ? []
      : SPECS.map(([state, title, fullName, more]) => ({
          ...makeTask(state, title, fullName, more),
          isLive: more.isLive === true,
          isLogExpired: more.isLogExpired === true,
        })),
    tokens: empty
      ? []
      : [{ id: idOf('token1'), name: 'laptop', createdAt: instant(86_400 * 5), lastUsedAt: instant(600) }],
    startedAt: Date.now() - lines * 180,
  };
  world.sources = world.repositories.map((one) => ({
    id: idOf(`source${one.fullName}`),
    repositoryId: one.id,
    kind: 'github-issues',
    project: one.fullName,
    label: 'capstan',
    enabled: true,
    lastPolledAt: instant(11),
    nextPollAt: instant(-19),
    lastError:
      one.fullName === 'acme/mobile' ? 'GitHub answered 403: the token may not read issues of acme/mobile.' : null,
    importedTickets: 14,
    version: 1,
  }));
  return world;
}
