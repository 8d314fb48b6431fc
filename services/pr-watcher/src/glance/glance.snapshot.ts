import { TransientError, UserError, type Id } from '@capstan/domain';
import { isDatabaseOutage, type Database, type PullRequest } from '@capstan/database';
import type { ForgePullRequest } from '@capstan/forges';
import { HOOK_SIGHT, type Claim } from '../follow/follow.snapshot.js';
import { mayGlance, type HookSight } from '../follow/pace.decide.js';
import type { ForgeAccess } from '../forge-access.js';
import type { GlanceSnapshot } from './glance.decide.js';

const GLANCE_TIMEOUT_MS = 10_000;

/** Reads the row and, if one request may stand for this look, makes it. Null: a whole look is wanted anyway. */
export async function readGlance(
  { database, access }: { readonly database: Database; readonly access: ForgeAccess },
  { id, planned }: Claim,
  { intervalMs, random }: { readonly intervalMs: number; readonly random: number },
): Promise<GlanceSnapshot | null> {
  if (!planned) return null;
  const [row] = await database.query<PullRequest & HookSight & { readonly now: Date }>(
    `select pull_request.*, clock_timestamp() as now, ${HOOK_SIGHT} from pull_request where id = $1`,
    [id],
  );
  if (row === undefined || row.number === null || !mayGlance(row.now, row, row)) return null;
  return { random, intervalMs, pullRequest: row, remote: await glanceAt(access, row.repositoryId, row.number) };
}

/** What is wrong is told by the whole look that follows. */
async function glanceAt(access: ForgeAccess, repositoryId: Id, number: number): Promise<ForgePullRequest | null> {
  try {
    const { forge, connection } = await access.of(repositoryId, 'follow');
    return await forge.glance(connection, number, AbortSignal.timeout(GLANCE_TIMEOUT_MS));
  } catch (error) {
    if (error instanceof UserError || (error instanceof TransientError && !isDatabaseOutage(error))) return null;
    throw error;
  }
}
