import { AGENT_CHOICES } from '@capstan/agents';
import type { Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { Vault } from '@capstan/service-kit';

/** Shorter values are words that honest work may hold. */
const MIN_SECRET_CHARS = 8;

/** A secret's name, and the byte strings by which its value is recognised. */
export interface SecretNeedles {
  readonly name: string;
  readonly needles: readonly Buffer[];
}

/** Every secret that is known in the workspace, those of repositories and of members included; not the choices among them. */
export async function knownSecrets(
  database: Database,
  vault: Vault,
  workspaceId: Id,
): Promise<readonly SecretNeedles[]> {
  const rows = await database.query<{ name: string; repositoryId: Id | null; userId: Id | null }>(
    'select name, repository_id, user_id from secret where workspace_id = $1 order by name',
    [workspaceId],
  );
  const found: SecretNeedles[] = [];
  for (const { name, repositoryId, userId } of rows) {
    if (AGENT_CHOICES.includes(name)) continue;
    const value = await vault.get({ workspaceId, repositoryId, userId, name });
    if (value !== null && value.trim().length >= MIN_SECRET_CHARS)
      found.push({ name, needles: needlesOf(value.trim()) });
  }
  return found;
}

/** The value itself and its base64, wherever in an encoded text it begins. */
export function needlesOf(value: string): readonly Buffer[] {
  const raw = Buffer.from(value);
  const texts = new Set<string>([value, raw.toString('base64'), raw.toString('base64url')]);
  for (const offset of [0, 1, 2]) {
    // Digits that neighbours have a part in are left out: what remains is the same in every text.
    const encoded = Buffer.concat([Buffer.alloc(offset), raw])
      .toString('base64')
      .replace(/=+$/, '');
    const start = offset === 0 ? 0 : offset + 1;
    const whole = Math.floor(((offset + raw.length) * 8) / 6);
    const inner = encoded.slice(start, whole);
    texts.add(inner).add(inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...texts].filter((text) => text.length >= MIN_SECRET_CHARS).map((text) => Buffer.from(text));
}

/** Names of the secrets that the bytes hold. */
export function secretsIn(bytes: Buffer, secrets: readonly SecretNeedles[]): readonly string[] {
  return secrets.filter(({ needles }) => needles.some((needle) => bytes.includes(needle))).map(({ name }) => name);
}
