import type { ForgeInstallation } from '#lib/api/types.ts';

/** How an installation stands, and what helps where it doesn't. */
export function stateOf({ suspended, missing, account }: ForgeInstallation): {
  readonly isGood: boolean;
  readonly words: string;
  readonly remedy?: string;
} {
  if (suspended)
    return { isGood: false, words: 'suspended', remedy: `An owner of ${account} can lift it: Configure → Unsuspend.` };
  if (missing.length > 0)
    return {
      isGood: false,
      words: `lacks ${missing.join(', ')}`,
      remedy: `Set it on the app’s page under Permissions & events; then an owner of ${account} accepts it.`,
    };
  return { isGood: true, words: 'ready' };
}
