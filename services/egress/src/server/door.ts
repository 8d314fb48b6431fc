import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * One thing that agents come to egress for. Each has a folder of its own; the server asks the doors in their order and
 * the first that takes a request has it.
 */
export interface Door {
  /** For the metrics, e.g. `model`. */
  readonly name: string;
  takes(request: IncomingMessage): boolean;
  /** Answers the request, refusals included. What it throws is answered with 503 or 500 when nothing was sent yet. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** The door that `CONNECT` goes through. */
export interface TunnelDoor {
  /** @param head what the client sent after its request already. */
  connect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void>;
}
