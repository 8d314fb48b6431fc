import type { Command } from '../command.js';

export const backupCommand: Command = {
  name: 'backup',
  usage: 'backup [FILE] [--without-keys]',
  summary: 'Save everything that a restore needs in one file, while Capstan is up or down.',
  details: [
    'The file (0600; default: capstan-TIME.tar.gz here) has the whole database as of one moment, and the keys that its',
    'secrets are sealed with: whoever has it can read the stored credentials. Nothing of pods and worktrees is in it:',
    'what an agent has not pushed is not saved. The database is CAPSTAN_DATABASE_URL, else that of the data directory.',
  ].join(' '),
  options: { 'without-keys': { type: 'boolean', help: 'leave the keys out; a restore then asks for them' } },
  arity: [0, 1],
  /** Loaded when it is needed: the other commands start in half the time without it. */
  run: async (context) => (await import('./take-backup.js')).takeBackup(context),
};
