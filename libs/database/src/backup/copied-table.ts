import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

/** One table of a copy: rows in Postgres' own text form, one per line. */
export interface CopiedTable {
  readonly name: string;
  /** In the order in which a line holds them. */
  readonly columns: readonly string[];
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 of the lines, in hex. */
  readonly sha256: string;
}

/** A database as it was at one moment, under one schema. */
export interface CopiedDatabase {
  /** Names of the migrations that had been applied, oldest first. */
  readonly migrations: readonly string[];
  /** `server_version_num` of where it was taken. */
  readonly serverVersion: number;
  /** Tables in an order in which they can be filled: what is referred to comes first. */
  readonly tables: readonly CopiedTable[];
}

/** Passes everything on, and counts and hashes it. */
export class Measure extends Transform {
  bytes = 0;
  private readonly hash = createHash('sha256');

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.bytes += chunk.length;
    this.hash.update(chunk);
    done(null, chunk);
  }

  /** Once everything has passed. */
  sha256(): string {
    return this.hash.digest('hex');
  }
}

/** A name as SQL writes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
