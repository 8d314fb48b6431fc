import type { Command } from '../command.js';

export const restoreCommand: Command = {
  name: 'restore',
  usage: 'restore FILE [--keys FILE]',
  summary: 'Bring a backup back into a data directory that is empty or not there yet.',
  details: [
    'The data directory is CAPSTAN_DATA_DIR; with CAPSTAN_DATABASE_URL the rows go into that database, which must be',
    'empty. Everything is checked first and made beside its place: when it fails, nothing has changed. Stop the Capstan',
    'that was backed up for good before you start the restored one: two of them would do everything twice.',
  ].join(' '),
  options: {
    keys: { type: 'string', value: 'FILE', help: 'a secrets.json, or a key in base64, for a backup without keys' },
  },
  arity: [1, 1],
  /** Loaded when it is needed: the other commands start in half the time without it. */
  run: async (context) => (await import('./restore-backup.js')).restoreBackup(context),
};
