/** What is known of a delivery once its repository and signature were looked at. */
export interface DeliveryFacts {
  /** The repository exists, is served by the forge of the address, and has a secret. */
  readonly known: boolean;
  readonly signed: boolean;
  /** The forge's own id of the delivery. */
  readonly remoteId: string | undefined;
  /** False: it is about nothing that Capstan has, as an app's deliveries may be. */
  readonly concerns?: boolean;
}

export type DeliveryVerdict =
  | { readonly kind: 'store'; readonly remoteId: string }
  | { readonly kind: 'ignore' }
  /** Unknown repository, missing secret and wrong signature are answered alike: nobody learns which it was. */
  | { readonly kind: 'unauthenticated' }
  | { readonly kind: 'malformed'; readonly reason: string };

const REMOTE_ID = /^[\w.:-]{1,200}$/;

export function decideDelivery({ known, signed, remoteId, concerns = true }: DeliveryFacts): DeliveryVerdict {
  if (!known || !signed) return { kind: 'unauthenticated' };
  if (remoteId === undefined || !REMOTE_ID.test(remoteId))
    return { kind: 'malformed', reason: 'The delivery names no id of its own.' };
  return concerns ? { kind: 'store', remoteId } : { kind: 'ignore' };
}
