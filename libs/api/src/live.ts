import { z } from 'zod';
import { IdSchema } from './resources/common.js';
import { LogLineSchema } from './resources/runs.js';

/** Socket.IO: namespace `/live`, websocket transport only, session cookie or `auth: { token }` in the handshake. */
export const LIVE_NAMESPACE = '/live';
export const LIVE_PATH = '/socket.io';

/** Kinds of resources whose change is announced; the client refetches what it shows. */
export const INVALIDATION_KINDS = [
  'task',
  'run',
  'pull_request',
  'pod',
  'worker',
  'repository',
  'ticket_source',
  'workspace',
  'secret',
  'parked_row',
  'agent',
] as const;

export const Invalidation = z.object({
  kind: z.enum(INVALIDATION_KINDS),
  id: z.string(),
  version: z.number().int().nullable(),
  /** The task that it belongs to, where there is one. */
  taskId: IdSchema.nullable(),
});
export type Invalidation = z.infer<typeof Invalidation>;

export const LogBatch = z.object({ runId: IdSchema, lines: z.array(LogLineSchema) });
export type LogBatch = z.infer<typeof LogBatch>;

export const LogHead = z.object({ runId: IdSchema, head: z.number().int(), ended: z.boolean() });
export type LogHead = z.infer<typeof LogHead>;

/** Which links of the gateway are up; sent on connect and on change. */
export const Links = z.object({ postgres: z.boolean(), nats: z.boolean() });
export type Links = z.infer<typeof Links>;

/** server → client. Handlers get exactly these. */
export interface ServerToClient {
  invalidate(message: Invalidation): void;
  log(batch: LogBatch): void;
  head(head: LogHead): void;
  links(links: Links): void;
}

/**
 * client → server. `follow` answers the head once the room is joined: lines up to it come by REST,
 * lines after it over the socket; a line may come both ways and is told apart by its sequence.
 */
export interface ClientToServer {
  follow(
    request: { runId: string },
    answer: (result: { head: number; ended: boolean } | { error: string }) => void,
  ): void;
  unfollow(request: { runId: string }): void;
}
