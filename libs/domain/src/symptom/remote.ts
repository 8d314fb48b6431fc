import { symptom } from './entry.js';

/** What forges, trackers and git answer. */
export const REMOTE_SYMPTOMS = {
  credential_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'Credential refused',
    cause: 'The remote refused the token: it is wrong, has expired or was revoked.',
    remedy: 'Store a new token in the secret that is named, then retry.',
  }),
  permission_missing: symptom({
    category: 'auth',
    retryable: false,
    title: 'The token lacks a permission',
    cause: 'The remote knows the token but does not allow it this.',
    remedy:
      'Open the page Repositories and test the token there: it names each permission that is missing, in the forge’s words. A fine-grained token needs Contents, Pull requests and Issues: Read and write, and Commit statuses and Actions: Read-only, for the repository’s owner and the repository itself.',
  }),
  remote_not_found: symptom({
    category: 'auth',
    retryable: false,
    title: 'The remote shows nothing under that name',
    cause: 'The name is wrong, or the token may not see it: forges hide what a token may not see.',
    remedy: 'Check the name, and that the token may see the repository.',
  }),
  too_much: symptom({
    category: 'resource',
    retryable: false,
    title: 'More than can be read',
    cause: 'The remote lists more entries than Capstan reads.',
    remedy: 'Close or archive old entries, or use another label.',
  }),
  forge_refused: symptom({
    category: 'state',
    retryable: false,
    title: 'The forge refused a request',
    cause: 'The forge understood the request and does not do it.',
    remedy: 'Read the forge’s words; they name the rule.',
  }),
  forge_rate_limited: symptom({
    category: 'quota',
    retryable: true,
    title: 'The forge limits the rate',
    cause: 'The token has made as many requests as the forge allows for now.',
    remedy:
      'Nothing to do: it is tried again when the limit ends. When it repeats, set up the repository’s webhook, which lets quiet pull requests be looked at seldom; give each repository a token of its own; or poll less often (CAPSTAN_PR_WATCH_INTERVAL_MS).',
  }),
  forge_timeout: symptom({
    category: 'timeout',
    retryable: true,
    title: 'The forge is slow',
    cause: 'The forge gave no answer in time.',
    remedy: 'Nothing to do: it is tried again.',
  }),
  forge_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'The forge has a fault',
    cause: 'The forge answered with an error of its own.',
    remedy: 'Nothing to do: it is tried again. The forge’s status page says more.',
  }),
  forge_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'The forge can not be reached',
    cause: 'No connection to the forge’s API comes about.',
    remedy: 'It is tried again. Check the address in the repository’s settings, the network and the proxy.',
  }),
  tracker_refused: symptom({
    category: 'state',
    retryable: false,
    title: 'The tracker refused a request',
    cause: 'The tracker understood the request and does not do it.',
    remedy: 'Read the tracker’s words; they name the rule.',
  }),
  tracker_rate_limited: symptom({
    category: 'quota',
    retryable: true,
    title: 'The tracker limits the rate',
    cause: 'The token has made as many requests as the tracker allows for now.',
    remedy: 'Nothing to do: it is tried again when the limit ends.',
  }),
  tracker_timeout: symptom({
    category: 'timeout',
    retryable: true,
    title: 'The tracker is slow',
    cause: 'The tracker gave no answer in time.',
    remedy: 'Nothing to do: it is tried again.',
  }),
  tracker_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'The tracker has a fault',
    cause: 'The tracker answered with an error of its own.',
    remedy: 'Nothing to do: it is tried again. The tracker’s status page says more.',
  }),
  tracker_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'The tracker can not be reached',
    cause: 'No connection to the tracker’s API comes about.',
    remedy: 'It is tried again. Check its address, the network and the proxy.',
  }),
  git_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'Git can not reach the forge',
    cause: 'Fetching or pushing failed before the forge said anything about the token.',
    remedy: 'It is tried again. Check the clone address, the network and the proxy.',
  }),
  git_timeout: symptom({
    category: 'timeout',
    retryable: true,
    title: 'Git took too long',
    cause: 'A fetch or push did not end in time.',
    remedy: 'It is tried again. Check the network, and the size of the repository.',
  }),
} as const;
