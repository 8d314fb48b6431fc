/**
 * What a forge is reached with: a person's token, or an app that makes short-lived tokens of its own. Holds what is
 * secret: never logged, never sent to a browser or a pod.
 */
export type ForgeCredential = { readonly kind: 'token'; readonly token: string } | ForgeAppCredential;

/** An app that was registered at the forge. */
export interface ForgeAppCredential {
  readonly kind: 'app';
  readonly appId: number;
  /** Its name in addresses, e.g. `capstan-acme`. */
  readonly slug: string;
  /** API root of the forge that it was registered at: its key proves nothing anywhere else. */
  readonly apiUrl: string;
  /** PEM. */
  readonly privateKey: string;
  /** Name of the secret that holds the key, for remedies. */
  readonly secret: string;
}

/** What a step wants a forge for; an app's token can do that and nothing else. */
export const FORGE_PURPOSES = [
  'look',
  'fetch',
  'follow',
  'publish',
  'publish_workflows',
  'check',
  'read_tickets',
  'write_tickets',
] as const;
export type ForgePurpose = (typeof FORGE_PURPOSES)[number];
