import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { checkKnownSchema, loadDatabase, migrate } from '@capstan/database';
import { UserError } from '@capstan/domain';
import type { CliConfig } from '../cli.config.js';
import type { CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { DataDirectory, parseSecrets, type Secrets } from '../launcher/data-directory.js';
import { checkGivenPostgres } from '../servers/given-servers.js';
import { makePrivate, startPostgres, stopPostgres } from '../servers/postgres.js';
import { KEYS, tableFile, unpack } from './archive.js';
import { untilInterrupted } from './interruption.js';
import { askForKeys, refuseWrongKey } from './keys.js';
import type { Manifest } from './manifest.schema.js';

/** `capstan restore FILE [--keys FILE]` */
export async function restoreBackup({ config, terminal, args, options }: CommandContext): Promise<ExitCode> {
  const file = resolve(args[0] ?? '');
  const keysFile = typeof options['keys'] === 'string' ? resolve(options['keys']) : undefined;
  refuseOccupied(config.dataDir);
  if (config.databaseUrl !== undefined) await checkGivenPostgres(config.databaseUrl);
  mkdirSync(dirname(config.dataDir), { recursive: true });
  const making = mkdtempSync(join(dirname(config.dataDir), `.${basename(config.dataDir)}-restoring-`));
  try {
    const { manifest, migrated } = await untilInterrupted((signal) => make(config, { file, keysFile, making, signal }));
    refuseOccupied(config.dataDir);
    if (existsSync(config.dataDir)) rmdirSync(config.dataDir);
    renameSync(making, config.dataDir);
    show(terminal, config, file, manifest, migrated);
    return EXIT.ok;
  } finally {
    if (existsSync(making)) await stopPostgres(making);
    rmSync(making, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** @throws UserError `already_running`, `restore_not_empty` */
function refuseOccupied(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  new DataDirectory(dataDir).refuseRunning();
  const [found] = readdirSync(dataDir);
  if (found === undefined) return;
  throw new UserError(`${dataDir} is not empty: it has ${found}`, {
    code: 'restore_not_empty',
    status: 409,
    field: 'CAPSTAN_DATA_DIR',
  });
}

interface Making {
  readonly file: string;
  readonly keysFile: string | undefined;
  /** The directory that takes the data directory's place once it is complete. */
  readonly making: string;
  readonly signal: AbortSignal;
}

interface Made {
  readonly manifest: Manifest;
  /** Migrations that the backup's schema lacked. */
  readonly migrated: readonly string[];
}

async function make(config: CliConfig, { file, keysFile, making, signal }: Making): Promise<Made> {
  const unpacked = join(making, 'unpacked');
  mkdirSync(unpacked, { mode: 0o700 });
  const manifest = await unpack(file, unpacked);
  checkKnownSchema(manifest.migrations);
  signal.throwIfAborted();
  const secrets = await secretsFor(config, manifest, unpacked, keysFile);
  const url = config.databaseUrl ?? (await ownPostgres(config, making));
  signal.throwIfAborted();
  await loadDatabase(url, manifest, {
    open: (table) => createReadStream(tableFile(unpacked, table), { signal }),
    verify: async (client) => (secrets === undefined ? undefined : refuseWrongKey(client, secrets)),
  });
  const { applied } = await migrate(url);
  if (config.databaseUrl === undefined) await stopPostgres(making);
  if (secrets !== undefined) new DataDirectory(making).writeSecrets(secrets);
  rmSync(unpacked, { recursive: true });
  return { manifest, migrated: applied };
}

async function ownPostgres({ rootDir }: CliConfig, making: string): Promise<string> {
  makePrivate(making);
  return (await startPostgres({ rootDir, dataDir: making, fsync: true, mayCreateDatabases: false })).url;
}

/** The backup's own keys, else those that are given; undefined where nothing was ever sealed. */
async function secretsFor(
  config: CliConfig,
  manifest: Manifest,
  unpacked: string,
  keysFile: string | undefined,
): Promise<Secrets | undefined> {
  if (manifest.keys !== null && keysFile === undefined) {
    const secrets = parseSecrets(readFileSync(join(unpacked, KEYS), 'utf8'));
    if (secrets !== undefined) return secrets;
  }
  const sealed = manifest.tables.find(({ name }) => name === 'key_check')?.rows ?? 0;
  if (sealed === 0 && keysFile === undefined) return undefined;
  return askForKeys({ file: keysFile, fromEnvironment: config.encryptionKey });
}

function show(
  terminal: CommandContext['terminal'],
  { dataDir, databaseUrl }: CliConfig,
  file: string,
  manifest: Manifest,
  migrated: readonly string[],
): void {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const { createdAt } = manifest;
  terminal.json({ file, dataDir, rows, tables: manifest.tables.length, createdAt, migrated });
  const where = databaseUrl === undefined ? dataDir : `${dataDir} and the database of CAPSTAN_DATABASE_URL`;
  terminal.line(
    `${terminal.green('✓')} ${rows.toLocaleString('en-US')} rows as of ${createdAt}, in ${terminal.bold(where)}`,
  );
  if (migrated.length > 0) terminal.line(`Schema migrated (${migrated.join(', ')})`);
  terminal.line('Start it with: npm start. Runs that had not ended begin anew, from what was pushed.');
  terminal.line(
    terminal.yellow('The Capstan that was backed up must not run any more: two of them would do everything twice.'),
  );
}
