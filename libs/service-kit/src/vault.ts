import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Bug, UserError, type Id } from '@capstan/domain';
import type { Secret } from '@capstan/database';
import { newId, type Database, type Tx } from '@capstan/database';
import { secretChanged } from '@capstan/events';

/** Whose secret it is; the ciphertext is bound to all of it. */
export interface SecretOwner {
  readonly workspaceId: Id;
  /** Null for a secret of the whole workspace. */
  readonly repositoryId: Id | null;
  /** The member whose own it is; when it is looked for, whose own comes before all others. Unset: nobody's. */
  readonly userId?: Id | null;
  readonly name: string;
}

/** A secret that was found, and whether it is the member's own that it was looked for. */
export interface FoundSecret {
  readonly value: string;
  readonly own: boolean;
}

interface Sealed {
  readonly keyVersion: number;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

const KEY_VERSION = 1;
const TAG_BYTES = 16;
const CHECK_TEXT = 'capstan key check';
const CHECK_BOUND = ['key check', String(KEY_VERSION)];

/** Seals and opens secrets with AES-256-GCM. Values never leave the process that asked for them. */
export class Vault {
  private readonly key: Buffer;

  /** @param encryptionKey 32 bytes in base64, from CAPSTAN_ENCRYPTION_KEY. */
  constructor(
    private readonly database: Database,
    encryptionKey: string,
  ) {
    this.key = sealingKey(encryptionKey);
  }

  /** Refuses to go on with a key other than the one that the stored secrets were sealed with. */
  async checkKey(): Promise<void> {
    const fresh = this.seal(CHECK_TEXT, CHECK_BOUND);
    await this.database.query(
      'insert into key_check (version, nonce, ciphertext) values ($1, $2, $3) on conflict (version) do nothing',
      [KEY_VERSION, fresh.nonce, fresh.ciphertext],
    );
    const [row] = await this.database.query<Sealed>('select nonce, ciphertext from key_check where version = $1', [
      KEY_VERSION,
    ]);
    if (opensCheck(this.key, row!)) return;
    throw new UserError('CAPSTAN_ENCRYPTION_KEY is not the key that the stored secrets were sealed with', {
      code: 'encryption_key_changed',
      field: 'CAPSTAN_ENCRYPTION_KEY',
    });
  }

  /** Sets a secret; the former value is overwritten. */
  async put(
    tx: Tx,
    owner: SecretOwner,
    value: string,
  ): Promise<{ readonly id: Id; readonly setAt: Date; readonly version: number }> {
    const sealed = this.seal(value, boundTo(owner));
    const [row] = await tx.query<{ id: Id; setAt: Date; version: number }>(
      `insert into secret (id, workspace_id, repository_id, name, key_version, nonce, ciphertext, user_id)
       values ($1,$2,$3,$4,$5,$6,$7,$8)
       on conflict (workspace_id, repository_id, user_id, name) do update
          set key_version = $5, nonce = $6, ciphertext = $7, set_at = now(), version = secret.version + 1
       returning id, set_at, version`,
      [
        ...[newId(), owner.workspaceId, owner.repositoryId, owner.name],
        ...[sealed.keyVersion, sealed.nonce, sealed.ciphertext, owner.userId ?? null],
      ],
    );
    await tx.emit(secretChanged, { workspaceId: owner.workspaceId, secretId: row!.id, version: row!.version });
    return row!;
  }

  /** The member's own secret of that name, else the repository's, else the workspace's, else null. */
  async get({ name, ...owner }: SecretOwner): Promise<string | null> {
    return (await this.getAll(owner, [name])).get(name)?.value ?? null;
  }

  /** Those of `names` that are set, each as {@link get} would give it, by one statement. */
  async getAll(
    { workspaceId, repositoryId, userId = null }: Omit<SecretOwner, 'name'>,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, FoundSecret>> {
    const rows = await this.database.query<Secret>(
      `select distinct on (name) * from secret
        where workspace_id = $1 and name = any($2::text[])
          and (repository_id is null and user_id is null or repository_id = $3 or user_id = $4)
        order by name, user_id nulls last, repository_id nulls last`,
      [workspaceId, names, repositoryId, userId],
    );
    return new Map(
      rows.map((row) => [row.name, { value: openSealed(this.key, row, boundTo(row)), own: row.userId !== null }]),
    );
  }

  /** Like {@link get}, but throws UserError `credential_missing` that names the secret and where to set it. */
  async require(owner: SecretOwner): Promise<string> {
    const value = await this.get(owner);
    if (value !== null) return value;
    throw new UserError(`The secret ${owner.name} is not set`, {
      code: 'credential_missing',
      field: owner.name,
      remedy: `Set ${owner.name} under Settings → Secrets, or with the repository.`,
    });
  }

  private seal(value: string, bound: readonly string[]): Sealed {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(JSON.stringify(bound)));
    const ciphertext = Buffer.concat([cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return { keyVersion: KEY_VERSION, nonce, ciphertext };
  }
}

/** Whether a key is the one that a database's secrets were sealed with, by its row of `key_check`. */
export function fitsKeyCheck(encryptionKey: string, check: Pick<Sealed, 'nonce' | 'ciphertext'>): boolean {
  return opensCheck(sealingKey(encryptionKey), check);
}

function sealingKey(encryptionKey: string): Buffer {
  const raw = Buffer.from(encryptionKey, 'base64');
  if (raw.length !== 32)
    throw new UserError('CAPSTAN_ENCRYPTION_KEY must be 32 bytes in base64', {
      code: 'encryption_key_invalid',
      field: 'CAPSTAN_ENCRYPTION_KEY',
    });
  return Buffer.from(hkdfSync('sha256', raw, Buffer.alloc(0), `capstan secrets v${KEY_VERSION}`, 32));
}

function opensCheck(key: Buffer, check: Pick<Sealed, 'nonce' | 'ciphertext'>): boolean {
  try {
    openSealed(key, { ...check, keyVersion: KEY_VERSION }, CHECK_BOUND);
    return true;
  } catch {
    return false; // sealed with another key: the tag doesn't fit
  }
}

function openSealed(key: Buffer, sealed: Sealed, bound: readonly string[]): string {
  if (sealed.keyVersion !== KEY_VERSION) throw new Bug(`a secret is sealed with key version ${sealed.keyVersion}`);
  const body = sealed.ciphertext.subarray(0, -TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce)
    .setAAD(Buffer.from(JSON.stringify(bound)))
    .setAuthTag(sealed.ciphertext.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
}

function boundTo({ workspaceId, repositoryId, userId, name }: SecretOwner): readonly string[] {
  const owner = [workspaceId, repositoryId ?? '', name];
  return userId === null || userId === undefined ? owner : [...owner, 'user', userId];
}
