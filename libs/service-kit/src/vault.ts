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
  readonly name: string;
}

interface Sealed {
  readonly keyVersion: number;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

const KEY_VERSION = 1;
const TAG_BYTES = 16;
const CHECK_TEXT = 'capstan key check';

/** Seals and opens secrets with AES-256-GCM. Values never leave the process that asked for them. */
export class Vault {
  private readonly key: Buffer;

  /** @param encryptionKey 32 bytes in base64, from CAPSTAN_ENCRYPTION_KEY. */
  constructor(
    private readonly database: Database,
    encryptionKey: string,
  ) {
    const raw = Buffer.from(encryptionKey, 'base64');
    if (raw.length !== 32)
      throw new UserError('CAPSTAN_ENCRYPTION_KEY must be 32 bytes in base64', {
        code: 'encryption_key_invalid',
        field: 'CAPSTAN_ENCRYPTION_KEY',
      });
    this.key = Buffer.from(hkdfSync('sha256', raw, Buffer.alloc(0), `capstan secrets v${KEY_VERSION}`, 32));
  }

  /** Refuses to go on with a key other than the one that the stored secrets were sealed with. */
  async checkKey(): Promise<void> {
    const bound = ['key check', String(KEY_VERSION)];
    const fresh = this.seal(CHECK_TEXT, bound);
    await this.database.query(
      'insert into key_check (version, nonce, ciphertext) values ($1, $2, $3) on conflict (version) do nothing',
      [KEY_VERSION, fresh.nonce, fresh.ciphertext],
    );
    const [row] = await this.database.query<Sealed>('select nonce, ciphertext from key_check where version = $1', [
      KEY_VERSION,
    ]);
    try {
      this.open({ ...row!, keyVersion: KEY_VERSION }, bound);
    } catch (error) {
      throw new UserError('CAPSTAN_ENCRYPTION_KEY is not the key that the stored secrets were sealed with', {
        code: 'encryption_key_changed',
        field: 'CAPSTAN_ENCRYPTION_KEY',
        cause: error,
      });
    }
  }

  /** Sets a secret; the former value is overwritten. */
  async put(
    tx: Tx,
    owner: SecretOwner,
    value: string,
  ): Promise<{ readonly id: Id; readonly setAt: Date; readonly version: number }> {
    const sealed = this.seal(value, boundTo(owner));
    const [row] = await tx.query<{ id: Id; setAt: Date; version: number }>(
      `insert into secret (id, workspace_id, repository_id, name, key_version, nonce, ciphertext) values ($1,$2,$3,$4,$5,$6,$7)
       on conflict (workspace_id, repository_id, name) do update
          set key_version = $5, nonce = $6, ciphertext = $7, set_at = now(), version = secret.version + 1
       returning id, set_at, version`,
      [newId(), owner.workspaceId, owner.repositoryId, owner.name, sealed.keyVersion, sealed.nonce, sealed.ciphertext],
    );
    await tx.emit(secretChanged, { workspaceId: owner.workspaceId, secretId: row!.id, version: row!.version });
    return row!;
  }

  /** A repository's own secret, else the workspace's of that name, else null. */
  async get(owner: SecretOwner): Promise<string | null> {
    const rows = await this.database.query<Secret>(
      `select * from secret where workspace_id = $1 and name = $2 and (repository_id is null or repository_id = $3)
        order by repository_id nulls last limit 1`,
      [owner.workspaceId, owner.name, owner.repositoryId],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return this.open(row, boundTo({ workspaceId: row.workspaceId, repositoryId: row.repositoryId, name: row.name }));
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

  private open(sealed: Sealed, bound: readonly string[]): string {
    if (sealed.keyVersion !== KEY_VERSION) throw new Bug(`a secret is sealed with key version ${sealed.keyVersion}`);
    const body = sealed.ciphertext.subarray(0, -TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.key, sealed.nonce)
      .setAAD(Buffer.from(JSON.stringify(bound)))
      .setAuthTag(sealed.ciphertext.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  }
}

function boundTo({ workspaceId, repositoryId, name }: SecretOwner): readonly string[] {
  return [workspaceId, repositoryId ?? '', name];
}
