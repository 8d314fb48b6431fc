import { symptom } from './entry.js';

/** What is found of the agents' programs on a machine, and when one of them is tried with one line. */
export const AGENT_SYMPTOMS = {
  agent_version_unknown: symptom({
    category: 'agent',
    retryable: false,
    title: 'The agent’s program does not tell its version',
    cause: 'It was found and started as for a run, with --version, and failed or did not answer in time.',
    remedy: 'Run the command with --version in a terminal; install the program anew where that fails too.',
  }),
  log_in_expired: symptom({
    category: 'auth',
    retryable: false,
    title: 'The log-in of the agent’s program has expired',
    cause: 'No secret is set, and the log-in on this machine that would stand in for it is not valid any more.',
    remedy: 'Run the command that is named, which renews it, or set the secret under Settings → Secrets; then retry.',
  }),
  agent_test_timeout: symptom({
    category: 'timeout',
    retryable: true,
    title: 'The agent did not answer in time',
    cause:
      'It was given one line to answer and a minute for it. Some wait without end for a provider that is not there.',
    remedy: 'Look at the provider’s status page and at the way there, then test again.',
  }),
  agent_test_lost: symptom({
    category: 'state',
    retryable: true,
    title: 'The test was not carried out',
    cause: 'No agent runner was there for it, or the one that had it ended.',
    remedy: 'See that the agent runner goes on (under Pods), then test again.',
  }),
};
