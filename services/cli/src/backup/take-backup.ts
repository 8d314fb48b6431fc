import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { dumpDatabase } from '@capstan/database';
import { UserError } from '@capstan/domain';
import pg from 'pg';
import type { CliConfig } from '../cli.config.js';
import type { CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { countAgents } from '../launcher/agents.js';
import { DataDirectory, type Secrets } from '../launcher/data-directory.js';
import { checkGivenPostgres } from '../servers/given-servers.js';
import { isAlive } from '../servers/process-identity.js';
import { hasCluster, runningPostgresUrl, startPostgres, stopPostgres } from '../servers/postgres.js';
import type { Terminal } from '../terminal.js';
import { KEYS, pack, prepare, refuseExisting, tableFile } from './archive.js';
import { untilInterrupted } from './interruption.js';
import { opensSecrets } from './keys.js';
import { FORMAT, type Manifest } from './manifest.schema.js';

/** `capstan backup [FILE] [--without-keys]` */
export async function takeBackup({ config, terminal, args: [wanted], options }: CommandContext): Promise<ExitCode> {
  const withKeys = options['without-keys'] !== true;
  const createdAt = new Date().toISOString();
  const file = resolve(wanted ?? `capstan-${createdAt.slice(0, 19).replaceAll(/[-:]/g, '')}.tar.gz`);
  if (!existsSync(dirname(file))) throw new UsageError(`there is no directory ${dirname(file)}`);
  refuseExisting(file);
  const directory = new DataDirectory(config.dataDir);
  const source = await openSource(config, directory);
  const staging = mkdtempSync(join(dirname(file), `.${basename(file)}-`));
  try {
    const taken = await untilInterrupted((signal) =>
      take({ createdAt, file, staging, directory, url: source.url, withKeys, signal }),
    );
    show(terminal, file, taken);
    return EXIT.ok;
  } finally {
    rmSync(staging, { recursive: true, force: true });
    await source.close();
  }
}

interface Taking {
  readonly createdAt: string;
  readonly file: string;
  readonly staging: string;
  readonly directory: DataDirectory;
  readonly url: string;
  readonly withKeys: boolean;
  readonly signal: AbortSignal;
}

interface Taken {
  readonly manifest: Manifest;
  readonly bytes: number;
  /** Agents at work when it was taken. */
  readonly agents: number;
  /** Why there are no keys in it; null where there are. */
  readonly keysMissing: 'left_out' | 'unknown' | null;
}

async function take({ createdAt, file, staging, directory, url, withKeys, signal }: Taking): Promise<Taken> {
  prepare(staging);
  const copy = await dumpDatabase(url, (table) =>
    createWriteStream(tableFile(staging, table), { mode: 0o600, signal }),
  );
  const secrets = withKeys ? await fittingSecrets(url, directory) : undefined;
  const text = secrets === undefined ? null : JSON.stringify(secrets);
  const keys = text === null ? null : { sha256: createHash('sha256').update(text).digest('hex') };
  const manifest: Manifest = { product: 'capstan', format: FORMAT, createdAt, keys, ...copy };
  writeFileSync(join(staging, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
  writeFileSync(join(staging, 'README.txt'), readme(manifest), { mode: 0o600 });
  if (text !== null) writeFileSync(join(staging, KEYS), text, { mode: 0o600 });
  signal.throwIfAborted();
  const { bytes } = await pack(staging, manifest, file);
  const { count } = await countAgents(url);
  return { manifest, bytes, agents: count, keysMissing: keys !== null ? null : withKeys ? 'unknown' : 'left_out' };
}

/** The keys of the data directory, where they are those of this database: CAPSTAN_ENCRYPTION_KEY may have been used. */
async function fittingSecrets(url: string, directory: DataDirectory): Promise<Secrets | undefined> {
  const secrets = directory.storedSecrets();
  if (secrets === undefined) return undefined;
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // the query tells it
  await client.connect();
  try {
    return (await opensSecrets(client, secrets.encryptionKey)) ? secrets : undefined;
  } finally {
    await client.end();
  }
}

/** The database, started for it where nothing runs. */
async function openSource(
  config: CliConfig,
  directory: DataDirectory,
): Promise<{ url: string; close(): Promise<void> }> {
  const leave = async () => undefined;
  if (config.databaseUrl !== undefined) {
    await checkGivenPostgres(config.databaseUrl);
    return { url: config.databaseUrl, close: leave };
  }
  const state = directory.launcherState();
  const isUp = () => {
    const now = directory.launcherState();
    return now !== undefined && isAlive(now.launcher);
  };
  if (isUp() && state?.given?.postgres !== undefined) throw nothing(`Capstan runs on ${state.given.postgres}`);
  if (!hasCluster(config.dataDir)) throw nothing(`${config.dataDir} has no database`);
  const running = isUp() ? runningPostgresUrl(config.dataDir) : undefined;
  if (running !== undefined) return { url: running, close: leave };
  const { rootDir, dataDir } = config;
  const postgres = await startPostgres({ rootDir, dataDir, fsync: true, mayCreateDatabases: false });
  // Whoever started Capstan meanwhile uses this Postgres now.
  const close = async () => (postgres.started === 'adopted' || isUp() ? undefined : stopPostgres(dataDir));
  return { url: postgres.url, close };
}

function nothing(reason: string): UserError {
  return new UserError(reason, { code: 'nothing_to_back_up', field: 'CAPSTAN_DATABASE_URL' });
}

function show(terminal: Terminal, file: string, { manifest, bytes, agents, keysMissing }: Taken): void {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const schema = manifest.migrations.at(-1);
  terminal.json({ file, bytes, rows, tables: manifest.tables.length, schema, keys: keysMissing === null, agents });
  terminal.line(
    `${terminal.green('✓')} ${rows.toLocaleString('en-US')} rows, ${sizeOf(bytes)}: ${terminal.bold(file)}`,
  );
  if (keysMissing === null)
    terminal.line(
      `${terminal.yellow('It contains the keys:')} whoever has this file can read every stored credential. It is readable\nby you alone (0600); keep it so. --without-keys leaves them out.`,
    );
  else if (keysMissing === 'left_out')
    terminal.line('The keys are not in it: keep secrets.json of the data directory elsewhere, a restore needs it.');
  else
    terminal.complain(
      terminal.yellow(
        'The keys are not in it: those in use are not in the data directory (CAPSTAN_ENCRYPTION_KEY). A restore asks for them.',
      ),
    );
  terminal.line(
    terminal.dim('Not in it: pods, worktrees and logs of the servers. What agents have pushed is at the forge.'),
  );
  if (agents > 0)
    terminal.line(
      `${agents} ${agents === 1 ? 'agent is' : 'agents are'} at work: what is not pushed yet is not saved, and after a restore their runs begin anew.`,
    );
}

function sizeOf(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1_024)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function readme({ createdAt, keys, migrations }: Manifest): string {
  return [
    `A backup of Capstan, taken at ${createdAt}, schema ${migrations.at(-1)}.`,
    keys === null
      ? 'It does not contain the keys: a restore asks for them.'
      : 'IT CONTAINS THE KEYS (secrets.json): whoever has this file can read every stored credential. Keep it private.',
    '',
    'Restore it with: CAPSTAN_DATA_DIR=<a new directory> npx capstan restore <this file>',
    'tables/ has each table in the text form of COPY, in the order of manifest.json; its checksums are SHA-256.',
    'Not in it: pods and worktrees (what agents had pushed is at the forge), event streams, logs of the servers.',
    '',
  ].join('\n');
}
