import { z } from 'zod';
import { MERGE_METHODS, POD_HEALTH_KINDS, POD_STATES, RUNTIME_KINDS } from '@capstan/domain';
import { route } from '../route.js';
import { IdSchema, Instant, PageQuery, pageOf } from './common.js';
import { AgentFix, AgentMachine, AgentProgram, AgentTest } from './agents.js';
import { Explanation, LimitsPatch, TaskEvent } from './tasks.js';

export const FullName = z
  .string()
  .regex(/^[\w.-]+\/[\w.-]+$/, 'owner/name')
  .max(200);
export const HttpUrl = z.url({ protocol: /^https?$/ }).max(500);
export const SecretName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,99}$/, 'upper-case letters, digits and underscores, e.g. GITHUB_TOKEN');

export const AgentSettingsSchema = z
  .strictObject({
    agent: z.string().min(1).max(50),
    model: z.string().max(100).optional(),
    baseUrl: z
      .string()
      .max(2000)
      .optional()
      .meta({ description: 'Not for command: address of a compatible model endpoint instead of the provider’s own' }),
    argv: z
      .array(z.string().max(2000))
      .min(1)
      .max(50)
      .optional()
      .meta({ description: 'command only: program and arguments' }),
    promptVia: z.enum(['stdin', 'file']).optional(),
    output: z.enum(['text', 'ndjson']).optional(),
    input: z
      .enum(['none', 'ndjson'])
      .optional()
      .meta({ description: 'command only: ndjson sends messages and interrupts to its stdin' }),
    env: z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string().max(4000)).optional(),
  })
  .meta({ id: 'AgentSettings' });

/** `host`, `*.host` or either with `:port`; egress reads it the same way. */
const EgressHost = z
  .string()
  .max(260)
  .toLowerCase()
  .regex(
    /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:([1-9]\d{0,4}))?$/,
    'expected a host such as example.com, *.example.com or example.com:8443',
  );

const repositorySettings = {
  agent: AgentSettingsSchema,
  egressHosts: z.array(EgressHost).max(100).meta({
    description:
      'Hosts that agents may reach besides model providers and package registries; without a port: 80 and 443',
  }),
  promptTemplate: z.string().max(50_000).nullable(),
  instructions: z.string().max(50_000),
  maxConcurrentTasks: z.number().int().min(1).max(1000),
  maxPodInstances: z.number().int().min(1).max(20),
  maxAgentsPerPod: z.number().int().min(1).max(50),
  image: z.string().max(300).nullable(),
  autoMerge: z.boolean(),
  mergeMethod: z.enum(MERGE_METHODS),
  mergeWithoutChecks: z.boolean(),
  requiredApprovals: z.number().int().min(0).max(10),
  allowWorkflowChanges: z.boolean(),
  allowSubmoduleChanges: z.boolean(),
  allowSubmoduleFetch: z.boolean().meta({
    description: "Whether agents may fetch the owner's other repositories, as submodules need",
  }),
  credentialSecret: SecretName.meta({
    description:
      'Secret that the repository is reached with: a token, or the key of a GitHub App (`credentialSecret` of a ForgeApp)',
  }),
};

export const Repository = z
  .object({
    id: IdSchema,
    forge: z.enum(['github']),
    fullName: z.string(),
    apiUrl: z.string(),
    cloneUrl: z.string(),
    webUrl: z.string(),
    defaultBranch: z.string(),
    ...repositorySettings,
    limits: z.object({
      maxRunMinutes: z.number(),
      maxCostUsd: z.number(),
      maxTurns: z.number(),
      stallMinutes: z.number(),
    }),
    forgeApp: z
      .object({ id: IdSchema, slug: z.string() })
      .nullable()
      .meta({ description: 'The app that Capstan is there; null: it acts as a person, with a token' }),
    webhookUrl: z.string().meta({ description: 'Where the forge should deliver to' }),
    webhookSecretSet: z.boolean(),
    lastDeliveryAt: Instant.nullable(),
    activeTasks: z.number().int(),
    queuedTasks: z.number().int(),
    pods: z.number().int(),
    createdAt: Instant,
    version: z.number().int(),
  })
  .meta({ id: 'Repository' });
export type Repository = z.infer<typeof Repository>;

const settingsPatch = z.object(repositorySettings).partial().shape;
export const CreateRepository = z
  .strictObject({
    forge: z.enum(['github']).default('github'),
    fullName: FullName,
    apiUrl: HttpUrl.default('https://api.github.com'),
    token: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .meta({ description: 'Stored as the secret that credentialSecret names' }),
    webhookSecret: z.string().min(16).max(200).optional(),
    label: z.string().min(1).max(100).default('capstan').meta({ description: 'Issues with this label become tasks' }),
    watchIssues: z.boolean().default(true),
    limits: LimitsPatch.optional(),
    ...settingsPatch,
    agent: AgentSettingsSchema,
    credentialSecret: SecretName.default('GITHUB_TOKEN'),
  })
  .meta({ id: 'CreateRepository' });
export type CreateRepository = z.input<typeof CreateRepository>;

export const PatchRepository = z
  .strictObject({
    version: z.number().int().meta({ description: 'The version that was read; a newer one answers 409' }),
    limits: LimitsPatch.optional(),
    ...settingsPatch,
  })
  .meta({ id: 'PatchRepository' });

export const TicketSource = z
  .object({
    id: IdSchema,
    repositoryId: IdSchema,
    kind: z.enum(['github-issues']),
    project: z.string(),
    label: z.string(),
    enabled: z.boolean(),
    lastPolledAt: Instant.nullable(),
    nextPollAt: Instant.nullable(),
    lastError: z.string().nullable(),
    importedTickets: z.number().int(),
    version: z.number().int(),
  })
  .meta({ id: 'TicketSource' });
export type TicketSource = z.infer<typeof TicketSource>;

export const Pod = z
  .object({
    id: IdSchema,
    repositoryId: IdSchema,
    name: z.string(),
    runtime: z.enum(RUNTIME_KINDS),
    state: z.enum(POD_STATES),
    isolation: z.enum(['isolated', 'not_isolated']),
    isolationReason: z.string().nullable().meta({ description: 'Why it is not isolated, as the probe found it' }),
    capacity: z.number().int(),
    used: z.number().int(),
    attempts: z.number().int(),
    problem: Explanation.nullable(),
    createdAt: Instant,
    readyAt: Instant.nullable(),
    idleSince: Instant.nullable(),
    worktrees: z.number().int(),
    health: z.array(z.object({ kind: z.enum(POD_HEALTH_KINDS), detail: z.string(), at: Instant })),
    version: z.number().int(),
  })
  .meta({ id: 'Pod' });
export type Pod = z.infer<typeof Pod>;

export const Worker = z
  .object({
    id: z.string(),
    host: z.string(),
    ready: z.boolean(),
    slots: z.number().int(),
    used: z.number().int(),
    draining: z.boolean(),
    heartbeatAt: Instant,
    startedAt: Instant,
  })
  .meta({ id: 'Worker' });

export const Secret = z
  .object({ name: z.string(), repositoryId: IdSchema.nullable(), setAt: Instant, version: z.number().int() })
  .meta({ id: 'Secret' });

export const Agent = z
  .object({
    name: z.string(),
    title: z.string(),
    credentials: z.array(z.string()).meta({ description: 'Secrets of which it needs at least one; none for none' }),
    options: z.array(z.string()).meta({ description: 'Further secrets that it reads where they are set' }),
    set: z.array(z.string()).meta({ description: 'Those of both that are set for all repositories' }),
    program: AgentProgram.nullable().meta({ description: 'What people install; null: any program' }),
    machines: z.array(AgentMachine).meta({ description: 'What the machines that start agents have of it' }),
    credentialFrom: z
      .enum(['none_needed', 'secret', 'log_in', 'missing'])
      .meta({ description: 'Where a run of a repository without secrets of its own gets its credential' }),
    fixes: z.array(AgentFix).meta({ description: 'What is wrong, each with what puts it right' }),
    test: AgentTest.nullable().meta({ description: 'The last one' }),
    nextTestAt: Instant.nullable().meta({
      description: 'From then on it may be tested; null: now, unless a test is open',
    }),
  })
  .meta({ id: 'Agent' });

const RepositoryParams = z.strictObject({ repositoryId: IdSchema });
const list = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item) });

export const settingsRoutes = {
  patchWorkspace: route({
    method: 'PATCH',
    path: '/api/workspace',
    permission: 'workspace.manage',
    tag: 'workspace',
    summary:
      'Rename the workspace, or pause it: no new run, and nothing written to forge or tracker, until it is resumed',
    body: z.strictObject({ name: z.string().trim().min(1).max(100).optional(), paused: z.boolean().optional() }),
    answer: z
      .object({
        id: IdSchema,
        name: z.string(),
        slug: z.string(),
        pausedAt: Instant.nullable(),
        pausedBy: z.string().nullable().meta({ description: 'Name of who paused it' }),
      })
      .meta({ id: 'Workspace' }),
  }),
  listRepositories: route({
    method: 'GET',
    path: '/api/repositories',
    permission: 'repository.read',
    tag: 'repositories',
    summary: 'Repositories by name',
    answer: list(Repository),
  }),
  repository: route({
    method: 'GET',
    path: '/api/repositories/:repositoryId',
    permission: 'repository.read',
    tag: 'repositories',
    summary: 'One repository',
    params: RepositoryParams,
    answer: Repository,
  }),
  listAgents: route({
    method: 'GET',
    path: '/api/agents',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Agents that a repository can have its work done by, and the secrets that they need',
    answer: list(Agent),
  }),
  createRepository: route({
    method: 'POST',
    path: '/api/repositories',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Add a repository; the token is tried at the forge first',
    body: CreateRepository,
    answer: Repository,
    status: 201,
  }),
  patchRepository: route({
    method: 'PATCH',
    path: '/api/repositories/:repositoryId',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Change settings; holds from the next run on',
    params: RepositoryParams,
    body: PatchRepository,
    answer: Repository,
  }),
  deleteRepository: route({
    method: 'DELETE',
    path: '/api/repositories/:repositoryId',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Remove a repository without live tasks; its history stays',
    params: RepositoryParams,
    status: 204,
  }),
  listTicketSources: route({
    method: 'GET',
    path: '/api/ticket-sources',
    permission: 'repository.read',
    tag: 'repositories',
    summary: 'Where tickets come from',
    answer: list(TicketSource),
  }),
  pollTicketSource: route({
    method: 'POST',
    path: '/api/ticket-sources/:ticketSourceId/poll',
    permission: 'task.write',
    tag: 'repositories',
    summary: 'Look for tickets now',
    params: z.strictObject({ ticketSourceId: IdSchema }),
    answer: z.object({ asked: z.boolean() }),
    status: 202,
  }),
  listSecrets: route({
    method: 'GET',
    path: '/api/secrets',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'Names of the secrets; values are never shown',
    answer: list(Secret),
  }),
  putSecret: route({
    method: 'PUT',
    path: '/api/secrets/:name',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'Set a secret; holds from the next run on',
    params: z.strictObject({ name: SecretName }),
    body: z.strictObject({ value: z.string().min(1).max(20_000), repositoryId: IdSchema.optional() }),
    answer: Secret,
  }),
  deleteSecret: route({
    method: 'DELETE',
    path: '/api/secrets/:name',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'Forget a secret',
    params: z.strictObject({ name: SecretName }),
    query: z.strictObject({ repositoryId: IdSchema.optional() }),
    status: 204,
  }),
  listPods: route({
    method: 'GET',
    path: '/api/pods',
    permission: 'pod.read',
    tag: 'pods',
    summary: 'Pods with their slots, isolation and health',
    answer: list(Pod),
  }),
  listWorkers: route({
    method: 'GET',
    path: '/api/workers',
    permission: 'pod.read',
    tag: 'pods',
    summary: 'Agent runners',
    answer: list(Worker),
  }),
  listEvents: route({
    method: 'GET',
    path: '/api/events',
    permission: 'event.read',
    tag: 'events',
    summary: 'What happened in the workspace, newest first',
    query: PageQuery,
    answer: pageOf(TaskEvent),
  }),
} as const;
