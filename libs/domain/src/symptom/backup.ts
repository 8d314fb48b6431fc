import { symptom } from './entry.js';

/** Why a backup is not taken, or not restored. Nothing was changed then. */
export const BACKUP_SYMPTOMS = {
  nothing_to_back_up: symptom({
    category: 'state',
    retryable: false,
    title: 'There is nothing to back up',
    cause: 'The data directory has no database, and CAPSTAN_DATABASE_URL names none.',
    remedy:
      'Name the data directory in CAPSTAN_DATA_DIR, and the database in CAPSTAN_DATABASE_URL if it runs elsewhere.',
  }),
  backup_exists: symptom({
    category: 'state',
    retryable: false,
    title: 'The file is there already',
    cause: 'A backup never overwrites anything.',
    remedy: 'Name another file, or move this one away.',
  }),
  backup_not_found: symptom({
    category: 'state',
    retryable: false,
    title: 'There is no such backup',
    cause: 'The file that is to be restored can not be read.',
    remedy: 'Name a file that capstan backup wrote.',
  }),
  backup_damaged: symptom({
    category: 'state',
    retryable: false,
    title: 'The backup is damaged',
    cause: 'The file is not a backup of Capstan, is cut short, or holds something else than was saved.',
    remedy: 'Fetch the file again from where it is kept, or restore another one. Nothing was changed.',
  }),
  backup_newer: symptom({
    category: 'state',
    retryable: false,
    title: 'The backup is of a newer Capstan',
    cause: 'Its form or its schema is not known to this version.',
    remedy: 'Restore it with the version that wrote it, or with a newer one. Nothing was changed.',
  }),
  backup_keys_missing: symptom({
    category: 'auth',
    retryable: false,
    title: 'The backup is without its keys',
    cause: 'It was taken with --without-keys, or with a key from the environment; the stored secrets need that key.',
    remedy:
      'Give the former secrets.json, or a file with the key in base64, with --keys FILE; or set CAPSTAN_ENCRYPTION_KEY.',
  }),
  backup_key_wrong: symptom({
    category: 'auth',
    retryable: false,
    title: 'The key is not that of the backup',
    cause: 'The stored secrets were sealed with another encryption key.',
    remedy: 'Give the key of the installation that was backed up. Nothing was changed.',
  }),
  restore_not_empty: symptom({
    category: 'state',
    retryable: false,
    title: 'The place is not empty',
    cause: 'A restore overwrites nothing: neither a data directory nor a database with tables.',
    remedy: 'Move the data directory away, or name a new one in CAPSTAN_DATA_DIR.',
  }),
} as const;
