/** What the double saw and did, in order. `at` is in milliseconds since the epoch. */
export type JournalEntry =
  | {
      readonly kind: 'request';
      /** When its answer was ready; entries come in this order. */
      readonly at: number;
      /** When it came in: a slow one may be done long after others that came later. */
      readonly receivedAt: number;
      readonly method: string;
      /** Without `/api/v3`, with the query. */
      readonly path: string;
      /** 0: the connection was reset instead of an answer. */
      readonly status: number;
      readonly login: string | null;
      /** The client sent `If-None-Match`. */
      readonly conditional: boolean;
      readonly body?: unknown;
    }
  | {
      readonly kind: 'push';
      readonly at: number;
      readonly fullName: string;
      readonly ref: string;
      readonly before: string;
      readonly after: string;
      readonly login: string;
    }
  | {
      readonly kind: 'delivery';
      readonly at: number;
      readonly fullName: string;
      readonly event: string;
      readonly action: string | null;
      readonly guid: string;
      readonly url: string;
      /** Of the receiver; 0: none came, or the delivery was dropped on purpose. */
      readonly status: number;
      readonly dropped: boolean;
      readonly redelivery: boolean;
    };
