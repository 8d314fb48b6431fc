import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { UserError } from '@capstan/domain';
import { z } from 'zod';

const Identity = z.object({ pid: z.number().int(), startTime: z.string() });

const ServerStateSchema = z.object({
  postgres: z
    .object({
      /** Undefined while it doesn't run. */
      process: Identity.optional(),
      port: z.number().int().optional(),
      superuserPassword: z.string(),
      password: z.string(),
    })
    .optional(),
  nats: z
    .object({
      process: Identity.optional(),
      port: z.number().int().optional(),
      password: z.string(),
    })
    .optional(),
});

/** What has to be known of the servers to adopt them after a crash. Holds passwords: the file is 0600. */
export type ServerState = z.infer<typeof ServerStateSchema>;

/** The state in `file`; empty when there is none. @throws UserError when it can't be understood. */
export function readServerState(file: string): ServerState {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const parsed = ServerStateSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is damaged: ${z.prettifyError(parsed.error)}`, {
    code: 'server_state_damaged',
  });
}

/** Replaces the state as one step; a crash leaves either the old or the new one. */
export function writeServerState(file: string, state: ServerState): void {
  writePrivateFile(file, `${JSON.stringify(state, null, 2)}\n`);
}

/** Writes a file that only its owner may read, as one step. */
export function writePrivateFile(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.next`;
  const handle = openSync(next, 'w', 0o600);
  try {
    writeSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  chmodSync(next, 0o600);
  renameSync(next, file);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
