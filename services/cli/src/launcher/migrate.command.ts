import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { checkGivenPostgres } from '../servers/given-servers.js';
import { makePrivate, startPostgres, stopPostgres } from '../servers/postgres.js';

export const migrateCommand: Command = {
  name: 'migrate',
  usage: 'migrate',
  summary: 'Bring the database to the present schema. Safe to repeat, and from several places at once.',
  details: 'The database is CAPSTAN_DATABASE_URL, else the one of the data directory, started for it when it is down.',
  arity: [0, 0],
  run: runMigrate,
};

async function runMigrate({ config, terminal }: CommandContext): Promise<ExitCode> {
  const { migrate } = await import('@capstan/database');
  if (config.databaseUrl !== undefined) {
    await checkGivenPostgres(config.databaseUrl);
    return report(await migrate(config.databaseUrl));
  }
  makePrivate(config.dataDir);
  const postgres = await startPostgres({
    rootDir: config.rootDir,
    dataDir: config.dataDir,
    fsync: true,
    mayCreateDatabases: false,
  });
  try {
    return report(await migrate(postgres.url));
  } finally {
    if (postgres.started === 'fresh') await stopPostgres(config.dataDir);
  }

  function report({ applied }: { readonly applied: readonly string[] }): ExitCode {
    terminal.json({ applied });
    terminal.line(applied.length === 0 ? 'The schema is up to date.' : `Applied: ${applied.join(', ')}`);
    return EXIT.ok;
  }
}
