import { z } from 'zod';

/** host → launcher, over the process channel. */
export const HostMessage = z.discriminatedUnion('kind', [
  /** One service answers. */
  z.object({ kind: z.literal('service'), service: z.string() }),
  /** All services answer. */
  z.object({ kind: z.literal('ready') }),
  /** The configuration can't work: starting again the same way never helps. */
  z.object({
    kind: z.literal('refused'),
    message: z.string(),
    code: z.string().optional(),
    remedy: z.string().optional(),
  }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type HostMessage = z.infer<typeof HostMessage>;

/** launcher → host: stop in order. The channel's end means the same: the launcher is gone. */
export const STOP_MESSAGE = { kind: 'stop' } as const;

/** Exit code of a host that was refused its configuration. */
export const HOST_REFUSED = 78;
