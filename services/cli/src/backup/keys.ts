import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { UserError, errorText } from '@capstan/domain';
import { fitsKeyCheck } from '@capstan/service-kit';
import type pg from 'pg';
import { freshSecrets, parseSecrets, type Secrets } from '../launcher/data-directory.js';

/** Whether a key opens what a database has sealed; also where nothing was ever sealed. */
export async function opensSecrets(client: pg.Client, encryptionKey: string): Promise<boolean> {
  const [row] = await readKeyCheck(client);
  return row === undefined || fitsKeyCheck(encryptionKey, row);
}

async function readKeyCheck(client: pg.Client): Promise<readonly { nonce: Buffer; ciphertext: Buffer }[]> {
  return (await client.query<{ nonce: Buffer; ciphertext: Buffer }>('select nonce, ciphertext from key_check')).rows;
}

/** @throws UserError `backup_key_wrong` */
export async function refuseWrongKey(client: pg.Client, { encryptionKey }: Secrets): Promise<void> {
  if (await opensSecrets(client, encryptionKey)) return;
  throw new UserError('The given key is not the one that the stored secrets were sealed with', {
    code: 'backup_key_wrong',
  });
}

/**
 * The keys for a backup that has none: from a file, the environment, or whoever sits at the terminal.
 * @throws UserError `backup_keys_missing`, `encryption_key_invalid`
 */
export async function askForKeys({
  file,
  fromEnvironment,
}: {
  readonly file: string | undefined;
  readonly fromEnvironment: string | undefined;
}): Promise<Secrets> {
  if (file !== undefined) return keysIn(file);
  const key = fromEnvironment ?? (await typed());
  if (key !== undefined && key !== '') return freshSecrets(validKey(key, 'CAPSTAN_ENCRYPTION_KEY'));
  throw new UserError('The backup is without its keys, and the stored secrets need them', {
    code: 'backup_keys_missing',
  });
}

/** A secrets.json, or nothing but a key in base64. */
function keysIn(file: string): Secrets {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UserError(`The keys can't be read: ${errorText(error)}`, { code: 'backup_keys_missing', cause: error });
  }
  return parseSecrets(text) ?? freshSecrets(validKey(text, file));
}

function validKey(key: string, where: string): string {
  if (Buffer.from(key, 'base64').length === 32) return key;
  throw new UserError(`${where} holds no key of 32 bytes in base64`, { code: 'encryption_key_invalid' });
}

/** Undefined where nobody sits. What is typed is not shown. */
async function typed(): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  process.stderr.write('Encryption key of the installation that was backed up (base64): ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  const stop = new AbortController();
  // Raw mode: Ctrl-C comes as a key, not as a signal.
  lines.once('SIGINT', () => stop.abort());
  try {
    return (await lines.question('', { signal: stop.signal })).trim();
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
