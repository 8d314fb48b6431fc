/**
 * Codes that are no symptoms, by the reason. A new code goes into the registry unless one of these reasons holds for it.
 */
export const SELF_EXPLAINING: Readonly<Record<string, readonly string[]>> = {
  'a refusal of one request, whose caller reads field and detail': [
    ...['agent_unknown', 'custom', 'prompt_template_invalid', 'forge_unknown', 'tracker_unknown', 'symptom_unknown'],
    ...['address_invalid', 'repository_name_invalid', 'project_invalid', 'dependency_not_found'],
    ...['malformed_json', 'too_large', 'body_too_large', 'body_incomplete', 'request_aborted', 'delivery_malformed'],
    ...['unsupported_media_type', 'method_not_allowed', 'invalid_cursor', 'invalid_request', 'idempotency_key_reused'],
    ...['too_many_requests', 'too_many_deliveries', 'database_slow', 'unauthenticated', 'not_signed_in', 'forbidden'],
    ...['run_not_found', 'token_not_found', 'repository_not_found', 'ticket_source_not_found', 'secret_not_found'],
    ...[
      'agent_without_program',
      'agent_test_open',
      'credential_without_provider',
      'secret_not_personal',
      'model_order_invalid',
    ],
    ...['pull_request_not_found', 'request_not_found', 'task_not_found', 'repository_exists', 'repository_in_use'],
    ...['forge_app_not_found', 'forge_app_in_use'],
    ...['version_conflict', 'already_set_up', 'link_not_local', 'parked_row_not_found', 'short_id_ambiguous'],
  ],
  "the scheduler's answer to a request, in a sentence of its own": [
    ...['applied', 'new_task', 'already_stopping', 'delivered', 'kept', 'pending'],
  ],
  'the answer of the owner of a parked row, in a sentence of its own': [
    ...['not_parked', 'drop_refused', 'request_failed'],
  ],
  'caught by its caller, which gives a symptom instead or tries again': [
    ...['exec_timeout', 'exec_output_too_large', 'exec_failed', 'exec_dropped', 'exec_unreachable', 'exec_killed'],
    ...['attach_silent', 'fenced', 'failed', 'run_not_ending', 'pod_terminating', 'pod_not_found', 'pod_unreadable'],
    ...[
      'pod_not_ready',
      'bad_pod_name',
      'effect_deadline',
      'superseded',
      'stale',
      'not_opened',
      'no_app',
      'open_raced',
    ],
    ...['push_raced', 'start_raced', 'pull_request_hidden', 'git_failed', 'claim_lost', 'workspace_paused'],
  ],
  'a fault of Capstan itself, or of a machine whose processes survive SIGKILL': [
    ...['bug', 'service_main_invalid', 'runtime_unsupported', 'nats_stuck', 'postgres_stuck'],
  ],
};
