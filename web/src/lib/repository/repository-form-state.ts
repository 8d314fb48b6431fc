import { figure, joinCommand, onlySet, splitCommand } from '#lib/forms/validate.ts';
import type { CreateRepositoryBody, PatchRepositoryBody, Repository } from '#lib/api/types.ts';

/** What the form holds, as a person types it. */
export interface RepositoryDraft {
  fullName: string;
  apiUrl: string;
  /** As whom it is reached. */
  connection: 'token' | 'app';
  token: string;
  /** Secret with the key of the app, where it is reached as one. */
  appSecret: string;
  webhookSecret: string;
  label: string;
  agent: string;
  model: string;
  baseUrl: string;
  command: string;
  output: 'text' | 'ndjson';
  promptVia: 'stdin' | 'file';
  input: 'none' | 'ndjson';
  instructions: string;
  /** One host a line. */
  egressHosts: string;
  maxConcurrentTasks: number | null;
  maxAgentsPerPod: number | null;
  maxPodInstances: number | null;
  requiredApprovals: number | null;
  mergeMethod: Repository['mergeMethod'];
  autoMerge: boolean;
  mergeWithoutChecks: boolean;
  allowWorkflowChanges: boolean;
  allowSubmoduleFetch: boolean;
  limits: Partial<Record<keyof Repository['limits'], number | null>>;
}

export function draftOf(repository: Repository | null): RepositoryDraft {
  return {
    fullName: repository?.fullName ?? '',
    apiUrl: repository?.apiUrl ?? 'https://api.github.com',
    connection: repository?.forgeApp ? 'app' : 'token',
    token: '',
    appSecret: repository?.forgeApp ? repository.credentialSecret : '',
    webhookSecret: '',
    label: 'capstan',
    agent: repository?.agent.agent ?? 'command',
    model: repository?.agent.model ?? '',
    baseUrl: repository?.agent.baseUrl ?? '',
    command: joinCommand(repository?.agent.argv ?? []),
    output: repository?.agent.output ?? 'text',
    promptVia: repository?.agent.promptVia ?? 'stdin',
    input: repository?.agent.input ?? 'none',
    instructions: repository?.instructions ?? '',
    egressHosts: (repository?.egressHosts ?? []).join('\n'),
    maxConcurrentTasks: repository?.maxConcurrentTasks ?? null,
    maxAgentsPerPod: repository?.maxAgentsPerPod ?? null,
    maxPodInstances: repository?.maxPodInstances ?? null,
    requiredApprovals: repository?.requiredApprovals ?? null,
    mergeMethod: repository?.mergeMethod ?? 'squash',
    autoMerge: repository?.autoMerge ?? true,
    mergeWithoutChecks: repository?.mergeWithoutChecks ?? false,
    allowWorkflowChanges: repository?.allowWorkflowChanges ?? false,
    allowSubmoduleFetch: repository?.allowSubmoduleFetch ?? false,
    limits: { ...repository?.limits },
  };
}

/** Each agent takes settings of its own: what another one was given is left behind, but for its variables. */
function agentOf(draft: RepositoryDraft, before: Repository['agent'] | undefined): CreateRepositoryBody['agent'] {
  const shared = {
    agent: draft.agent,
    ...(draft.model.trim() === '' ? {} : { model: draft.model.trim() }),
    ...(before?.env === undefined ? {} : { env: before.env }),
  };
  if (draft.agent !== 'command')
    return { ...shared, ...(draft.baseUrl.trim() === '' ? {} : { baseUrl: draft.baseUrl.trim() }) };
  return {
    ...shared,
    argv: splitCommand(draft.command),
    output: draft.output,
    promptVia: draft.promptVia,
    ...(draft.input !== 'none' || before?.input !== undefined ? { input: draft.input } : {}),
  };
}

/** Whatever parts them: lines, commas or spaces. */
function hostsOf(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((host) => host !== ''))];
}

function settingsOf(draft: RepositoryDraft, before: Repository | null) {
  return {
    agent: agentOf(draft, before?.agent),
    instructions: draft.instructions,
    egressHosts: hostsOf(draft.egressHosts),
    mergeMethod: draft.mergeMethod,
    autoMerge: draft.autoMerge,
    mergeWithoutChecks: draft.mergeWithoutChecks,
    allowWorkflowChanges: draft.allowWorkflowChanges,
    allowSubmoduleFetch: draft.allowSubmoduleFetch,
    ...onlySet({
      maxConcurrentTasks: figure(draft.maxConcurrentTasks),
      maxAgentsPerPod: figure(draft.maxAgentsPerPod),
      maxPodInstances: figure(draft.maxPodInstances),
      requiredApprovals: figure(draft.requiredApprovals),
      limits: onlySet({
        maxRunMinutes: figure(draft.limits.maxRunMinutes),
        maxCostUsd: figure(draft.limits.maxCostUsd),
        maxTurns: figure(draft.limits.maxTurns),
        stallMinutes: figure(draft.limits.stallMinutes),
      }),
    }),
  };
}

function tokenOf({ token }: RepositoryDraft) {
  return token === '' ? {} : { token };
}

export function creation(draft: RepositoryDraft): CreateRepositoryBody {
  return {
    fullName: draft.fullName.trim(),
    apiUrl: draft.apiUrl.trim(),
    ...(draft.connection === 'app' ? { credentialSecret: draft.appSecret } : tokenOf(draft)),
    ...(draft.webhookSecret === '' ? {} : { webhookSecret: draft.webhookSecret }),
    label: draft.label.trim(),
    ...settingsOf(draft, null),
  };
}

/** The version that was read goes with it: somebody else's later change answers 409. */
export function change(draft: RepositoryDraft, before: Repository): PatchRepositoryBody {
  const isOther = draft.connection === 'app' && draft.appSecret !== before.credentialSecret;
  return {
    version: before.version,
    ...settingsOf(draft, before),
    ...(isOther ? { credentialSecret: draft.appSecret } : {}),
  };
}
