import { symptom } from './entry.js';

/** What keeps a person out. */
export const ACCESS_SYMPTOMS = {
  sign_in_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'E-mail address or password is wrong',
    cause: 'No account has this pair.',
    remedy:
      'Try again: five wrong ones lock the account and the address for 15 minutes. A link of npx capstan sign-in, on the machine that Capstan runs on, needs no password.',
  }),
  sign_in_locked: symptom({
    category: 'auth',
    retryable: true,
    title: 'Signing in is locked',
    cause: 'Five wrong passwords were given.',
    remedy:
      'Wait until the lock ends, or make a one-time link with npx capstan sign-in on the machine that Capstan runs on.',
  }),
  link_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'The link is used up',
    cause: 'It was used already, or is too old.',
    remedy: 'Make a new one with npx capstan sign-in; it is good for ten minutes and for one time.',
  }),
  set_up_token_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'The set-up link is wrong',
    cause: 'The token is not the one that this installation printed.',
    remedy: 'Open the one-time link that the terminal printed at the first start.',
  }),
  set_up_needed: symptom({
    category: 'auth',
    retryable: false,
    title: 'Capstan is not set up yet',
    cause: 'Nobody has made the first user.',
    remedy: 'Open the one-time set-up link that the terminal printed.',
  }),
  host_not_allowed: symptom({
    category: 'network',
    retryable: false,
    title: 'This host name is not served',
    cause: 'The request names a host that is neither this machine nor in the settings.',
    remedy: 'Set CAPSTAN_PUBLIC_URL to the address that people use, or name the host in CAPSTAN_ALLOWED_HOSTS.',
  }),
  origin_not_allowed: symptom({
    category: 'network',
    retryable: false,
    title: 'The page is of another site',
    cause: 'The browser says that the request, or the live connection, comes from a page of another origin.',
    remedy: 'Open the dashboard at its own address; CAPSTAN_PUBLIC_URL names it behind a proxy.',
  }),
} as const;
