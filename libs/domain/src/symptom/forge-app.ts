import { symptom } from './entry.js';

/** What stands between Capstan and a forge that it reaches as an app. */
export const FORGE_APP_SYMPTOMS = {
  app_not_installed: symptom({
    category: 'auth',
    retryable: false,
    title: 'The GitHub App is not installed on the repository',
    cause: 'The app was never installed for the owner, was uninstalled, or the repository is not among those selected.',
    remedy: 'On GitHub, open the app → Configure → Repository access, and select the repository; then retry.',
  }),
  app_suspended: symptom({
    category: 'auth',
    retryable: false,
    title: 'The installation of the GitHub App is suspended',
    cause: 'Somebody suspended the app for this account: GitHub makes no tokens for it.',
    remedy: 'An owner lifts it on GitHub: Settings → Applications → the app → Configure → Unsuspend. Then retry.',
  }),
  app_permission_missing: symptom({
    category: 'auth',
    retryable: false,
    title: 'The GitHub App lacks a permission',
    cause: 'The installation does not have all that the step needs; a permission that was added waits for an owner.',
    remedy:
      'Set the permission that is named on the app’s page under Permissions & events; an owner then accepts it: Settings → Applications → the app → Review request.',
  }),
  app_key_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'GitHub refuses the key of the app',
    cause: 'The private key was revoked or is no PEM key, or the app was deleted.',
    remedy:
      'Generate a private key on the app’s page and store it in the secret that is named; where the app is gone, create a new one.',
  }),
  app_clock_skewed: symptom({
    category: 'auth',
    retryable: true,
    title: 'This machine’s clock is wrong',
    cause: 'An app proves itself with a signed time, and GitHub finds it in its past or future.',
    remedy: 'Set the clock, best by NTP (timedatectl set-ntp true); it is tried again by itself.',
  }),
  app_code_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'GitHub did not hand over the app',
    cause: 'The code that it gave the browser is good once and for an hour.',
    remedy:
      'Create the app again under Settings → GitHub App. Delete the first one on GitHub if it is there: its key is known to nobody.',
  }),
} as const;
