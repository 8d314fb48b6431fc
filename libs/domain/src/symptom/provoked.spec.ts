import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SYMPTOMS } from './symptom.js';

const root = join(import.meta.dirname, '../../../..');

/**
 * Which test makes each symptom happen: the spec, its title, and the codes that it must get. A new entry of the registry
 * needs a line here; the test itself runs with its own project.
 */
const PROVOKED: readonly (readonly [spec: string, title: string, codes: string])[] = [
  [
    'services/scheduler/src/explain-waiting/explain-waiting.decide.spec.ts',
    'is told as %s',
    `waiting_turn global_limit repository_limit no_free_slot dependency no_ready_worker pod_provisioning
     credential_missing rate_limited paused money_spent backing_off`,
  ],
  [
    'services/pod-pool/src/provision-pod/provision-pod.decide.spec.ts',
    'calls it %s',
    `pod_failed pod_lost image_missing image_name_invalid image_pull_failed pod_unschedulable pod_timeout
     pod_out_of_memory pod_evicted`,
  ],
  [
    'services/pod-pool/src/pod-pool.medium.spec.ts',
    'fails where isolation is required and not proven, by the reason',
    'isolation_unproven',
  ],
  [
    'libs/runtimes/src/kubernetes/refusals.medium.spec.ts',
    'an answer %d is a %s %s with a remedy',
    'pod_refused kubernetes_forbidden kubernetes_unreachable',
  ],
  [
    'services/pod-pool/src/provision-pod/provisioner.medium.spec.ts',
    'says once that agents are not isolated here, by the symptom',
    'agents_not_isolated',
  ],
  [
    'services/agent-runner/src/drive-run/judge-run.decide.spec.ts',
    'finds nothing where nothing was committed, and where nothing is new',
    'no_changes',
  ],
  [
    'services/scheduler/src/parked/parked-rows.medium.spec.ts',
    'is a warning of the health report while there is any',
    'rows_parked',
  ],
  [
    'libs/service-kit/src/relay/relay.medium.spec.ts',
    'parks an event that the broker never takes, and goes on with the others',
    'event_refused',
  ],
  [
    'services/agent-runner/src/parked/parked-rows.medium.spec.ts',
    'is ended by a drop, so that its slot is free',
    'dropped',
  ],
  ['libs/agents/src/command/command.adapter.spec.ts', 'refuses a faulty %s', 'agent_settings_invalid'],
  [
    'libs/agents/src/command/command.adapter.spec.ts',
    'judge',
    `agent_failed agent_exited agent_killed agent_credential_refused agent_rate_limited agent_limit_reached
     run_time_limit run_log_limit turn_limit agent_not_found`,
  ],
  [
    'services/agent-runner/src/test-agent/test-agent.medium.spec.ts',
    'ends an agent that does not answer',
    'agent_test_timeout',
  ],
  [
    'services/agent-runner/src/test-agent/test-agent.medium.spec.ts',
    'that has expired is an answer with the command that renews it',
    'log_in_expired',
  ],
  [
    'services/agent-runner/src/test-agent/test-agent.medium.spec.ts',
    'of a runner that died, or that nobody was there for, are answered and not begun again',
    'agent_test_lost',
  ],
  [
    'services/agent-runner/src/look-at-agents/look-at-agents.medium.spec.ts',
    'says what is wrong with a program that can not be started',
    'agent_version_unknown',
  ],
  [
    'services/agent-runner/src/agent-runner.medium.spec.ts',
    'stores lines and position together, or neither',
    'log_out_of_order',
  ],
  [
    'libs/agents/src/claude-code/claude-code.adapter.spec.ts',
    'tells an end by what the CLI said in so many fields: %s',
    'agent_provider_unavailable agent_session_lost agent_model_unknown',
  ],
  [
    'services/scheduler/src/advance-task/advance-task.decide.spec.ts',
    'asks a person when the money is spent, and tells where a run went that is not there',
    'run_lost cost_limit',
  ],
  [
    'services/agent-runner/src/drive-run/agent-launch.spec.ts',
    'a worktree that can not be had ends the run as %s',
    'prepare_failed fetch_refused',
  ],
  [
    'services/scheduler/src/scheduler.medium.spec.ts',
    'frees dependents when the last dependency completes, and asks a person when one fails',
    'dependency_failed',
  ],
  [
    'services/agent-runner/src/lease-run/stalled-runs.medium.spec.ts',
    'a run that says nothing is told once, by its symptom',
    'run_stalled',
  ],
  [
    'services/agent-runner/src/lease-run/fruitless-leases.medium.spec.ts',
    'a run that ends whoever drives it is parked at the cap',
    'run_ends_runner',
  ],
  [
    'services/pr-watcher/src/push/hostile-bundle.medium.spec.ts',
    'refuses %s',
    'publish_refused_workflow publish_refused_submodule publish_refused_secret publish_refused_size',
  ],
  ['services/pr-watcher/src/push/hostile-bundle.medium.spec.ts', 'refuses another history', 'publish_refused_history'],
  [
    'services/pr-watcher/src/push/refusals.medium.spec.ts',
    'a rule of the forge against the branch is told in its words',
    'push_refused',
  ],
  [
    'services/pr-watcher/src/push/refusals.medium.spec.ts',
    'a repository that was taken away is followed no longer',
    'repository_archived',
  ],
  [
    'services/pr-watcher/src/push/refusals.medium.spec.ts',
    'a forge whose git can not be reached may come back',
    'git_unavailable',
  ],
  ['services/pr-watcher/src/push/refusals.medium.spec.ts', 'a git that takes too long is ended', 'git_timeout'],
  [
    'services/pr-watcher/src/publish/publish.medium.spec.ts',
    'tells what the forge says against the pull request, and against the push',
    'open_refused credential_refused',
  ],
  [
    'services/pr-watcher/src/publish/publish.medium.spec.ts',
    'asks a pod that is away again, and tells a person at the cap',
    'effect_parked',
  ],
  [
    'services/pr-watcher/src/follow/follow.decide.spec.ts',
    'refuses with %s',
    `ci_failed no_checks changes_requested merge_conflict merge_refused awaiting_merge foreign_head
     pull_request_unreadable`,
  ],
  [
    'services/pr-watcher/src/follow/follow.decide.spec.ts',
    'understands a close, a reopening, and its own close of an earlier life',
    'pull_request_closed',
  ],
  [
    'libs/forges/src/github/failures.spec.ts',
    'githubFailure',
    'permission_missing remote_not_found forge_refused forge_rate_limited forge_unavailable',
  ],
  [
    'libs/forges/src/github/app/app-failures.spec.ts',
    'tells a refusal of an app: %s',
    'app_not_installed app_suspended app_permission_missing app_key_refused app_clock_skewed',
  ],
  [
    'libs/forges/src/github/app/github-app.medium.spec.ts',
    'registers by a form that a person confirms, and exchanges the code once',
    'app_code_refused',
  ],
  ['libs/forges/src/github/failures.spec.ts', 'maps what never got an answer', 'forge_timeout forge_unreachable'],
  ['libs/forges/src/github/client.medium.spec.ts', 'gives up a list without end', 'too_much'],
  [
    'libs/tickets/src/github-issues/failures.spec.ts',
    'githubFailure',
    'tracker_refused tracker_rate_limited tracker_unavailable',
  ],
  [
    'libs/tickets/src/github-issues/failures.spec.ts',
    'maps what never got an answer',
    'tracker_timeout tracker_unreachable',
  ],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'finds the faults of all its services before anything opens',
    'config_invalid',
  ],
  ['libs/service-kit/src/host/host.medium.spec.ts', 'names a port that somebody else has', 'port_taken'],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'refuses a service whose handlers are not what it declares, and goes on without it',
    'handlers_mismatch',
  ],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'stops waiting when it is told to, and refuses what waiting never cures',
    'postgres_refused',
  ],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'waits for the schema and for NATS, saying so, alive but not ready',
    'schema_too_old',
  ],
  ['libs/service-kit/src/host/host.medium.spec.ts', 'says that it starts while nothing has answered yet', 'starting'],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'says that it stops while a service still finishes its work',
    'stopping',
  ],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'lives through an outage of Postgres and of NATS, and says which it is',
    'nats_unavailable',
  ],
  [
    'libs/service-kit/src/host/host.medium.spec.ts',
    'warns once about a collector that can not be reached, and works',
    'telemetry_unreachable',
  ],
  ['libs/service-kit/src/health/health.spec.ts', 'gives up a check that hangs', 'check_timeout'],
  [
    'libs/service-kit/src/vault.medium.spec.ts',
    'refuses a key that is none, and one that the secrets were not sealed with',
    'encryption_key_invalid encryption_key_changed',
  ],
  [
    'libs/database/src/database.medium.spec.ts',
    '%s is told as %s, and is nobody’s attempt',
    'database_full database_connections database_unavailable',
  ],
  [
    'libs/jetstream/src/outage.medium.spec.ts',
    'because it %s is refused by name, with a remedy',
    'nats_too_old nats_without_jetstream',
  ],
  ['libs/jetstream/src/outage.medium.spec.ts', 'refuses wrong credentials for good', 'nats_refused'],
  [
    'libs/jetstream/src/outage.medium.spec.ts',
    'tells a stream that can not be made, and an address that is none',
    'nats_stream nats_url_invalid',
  ],
  [
    'libs/jetstream/src/outage.medium.spec.ts',
    'refuses at once while nobody answers, and says what to do',
    'nats_unreachable',
  ],
  [
    'services/cli/src/servers/given-servers.medium.spec.ts',
    'refuses a Postgres that is too old, with variable, reason and remedy',
    'postgres_too_old',
  ],
  [
    'services/cli/src/servers/given-servers.medium.spec.ts',
    'says what is wrong with a URL without repeating it',
    'server_url_invalid',
  ],
  ['services/cli/src/servers/given-servers.medium.spec.ts', 'says that a server is not there', 'server_unreachable'],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'is named as missing with what was tried',
    'postgres_missing nats_missing',
  ],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'is refused as root where no other user can be had',
    'postgres_as_root',
  ],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'tells why the database could not be made',
    'postgres_init_failed',
  ],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'tells why it does not start, from its log',
    'postgres_start_failed nats_start_failed',
  ],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'leaves the data of another major version alone',
    'postgres_major_changed',
  ],
  ['services/cli/src/servers/refusals.medium.spec.ts', 'refuses a given binary that %s', 'nats_binary_unusable'],
  [
    'services/cli/src/servers/refusals.medium.spec.ts',
    'is refused when it is damaged, with what moving it away means',
    'server_state_damaged',
  ],
  ['services/cli/src/launcher/refusals.medium.spec.ts', 'one launcher has a data directory', 'already_running'],
  [
    'services/cli/src/launcher/refusals.medium.spec.ts',
    'keys that can not be read are not replaced by new ones',
    'secrets_damaged',
  ],
  ['services/cli/src/launcher/refusals.medium.spec.ts', 'a launcher that does not end is named', 'launcher_stuck'],
  [
    'services/cli/src/launcher/refusals.medium.spec.ts',
    'a service that was not built is named, with what builds it',
    'service_not_built',
  ],
  [
    'services/cli/src/launcher/host-process.medium.spec.ts',
    "doesn't start a configuration again that was refused",
    'host_refused',
  ],
  [
    'services/cli/src/launcher/host-process.medium.spec.ts',
    'gives up a host that never comes up, with its words',
    'host_crash_loop',
  ],
  ['services/cli/src/commands.spec.ts', 'says in JSON, too, that it knows no gateway', 'gateway_unknown'],
  [
    'services/cli/src/commands.spec.ts',
    'asks for a token rather than sending the local one elsewhere',
    'token_missing',
  ],
  [
    'services/cli/src/commands.spec.ts',
    'says which gateway does not answer, and which one answers what it does not understand',
    'gateway_unreachable answer_not_understood token_refused',
  ],
  [
    'services/gateway/src/hooks/deliveries-door.medium.spec.ts',
    'says when to come back while nobody takes deliveries',
    'webhooks_unavailable',
  ],
  [
    'services/egress/src/forward/forward.medium.spec.ts',
    'that a dead process left is replaced; that of a living one is not',
    'egress_socket',
  ],
  [
    'services/gateway/src/access/access.medium.spec.ts',
    'locks the account and the address after five wrong passwords, known account or not',
    'sign_in_refused sign_in_locked',
  ],
  [
    'services/gateway/src/access/access.medium.spec.ts',
    'signs in with a link once, from this machine only',
    'link_refused',
  ],
  [
    'services/gateway/src/access/access.medium.spec.ts',
    'is set up once, by whoever holds the token',
    'set_up_token_refused set_up_needed',
  ],
  [
    'services/gateway/src/http/routes.medium.spec.ts',
    'is refused from pages of other sites and under foreign names',
    'host_not_allowed origin_not_allowed',
  ],
  [
    'services/cli/src/backup/backup.medium.spec.ts',
    'holds none, and a restore wants the right one',
    'backup_keys_missing backup_key_wrong',
  ],
  [
    'services/cli/src/backup/backup.medium.spec.ts',
    'a backup over a file, and one of nothing',
    'backup_exists nothing_to_back_up',
  ],
  [
    'services/cli/src/backup/backup.medium.spec.ts',
    'a restore over a data directory, and of a file that is not there',
    'restore_not_empty backup_not_found',
  ],
  [
    'services/cli/src/backup/backup.medium.spec.ts',
    'an archive of a newer form, or with a newer schema',
    'backup_newer',
  ],
  ['services/cli/src/backup/backup.medium.spec.ts', 'an archive that %s', 'backup_damaged'],
];

const codesOf = (codes: string): readonly string[] => codes.split(/\s+/);

it('every symptom has one test that makes it happen', () => {
  const named = PROVOKED.flatMap(([, , codes]) => codesOf(codes));
  expect([...named].sort()).toEqual(Object.keys(SYMPTOMS).sort());
});

it.each(PROVOKED)('%s: %s', (spec, title, codes) => {
  const text = readFileSync(join(root, spec), 'utf8');
  const quoted = new RegExp(`(it|describe|\\))\\(\\s*(['"\`])${title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\2`);
  expect(text).toMatch(quoted);
  // The code stands in the spec as a value that is compared, never only in its words.
  expect(codesOf(codes).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
});
