import { TransientError, UserError, errorText } from '@capstan/domain';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { NATS_FLOOR, isOlder } from './nats-binary.js';
import { credentialsOf } from './nats.js';
import { POSTGRES_FLOOR } from './postgres-binaries.js';

/** Checks that the Postgres of `CAPSTAN_DATABASE_URL` answers and is new enough. @throws UserError, TransientError */
export async function checkGivenPostgres(url: string): Promise<void> {
  const variable = 'CAPSTAN_DATABASE_URL';
  refuseOtherScheme(variable, url, ['postgres:', 'postgresql:']);
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // the query below reports it
  let version: number;
  try {
    await client.connect();
    const answer = await client.query<{ server_version_num: string }>('show server_version_num');
    version = Math.floor(Number(answer.rows[0]?.server_version_num) / 10_000);
  } catch (error) {
    throw unreachableServer(variable, 'Postgres', error);
  } finally {
    await client.end().catch(() => undefined); // it never connected
  }
  if (version >= POSTGRES_FLOOR) return;
  throw new UserError(`${variable}: Postgres ${version} is too old; Capstan needs ${POSTGRES_FLOOR} or newer`, {
    code: 'postgres_too_old',
    field: variable,
    remedy: `Upgrade it, name another server, or unset ${variable} and Capstan starts a Postgres of its own.`,
  });
}

/** Checks that the server of `CAPSTAN_NATS_URL` answers, is new enough and has JetStream. @throws UserError, TransientError */
export async function checkGivenNats(url: string): Promise<void> {
  const variable = 'CAPSTAN_NATS_URL';
  for (const each of url.split(',')) refuseOtherScheme(variable, each.trim(), ['nats:', 'tls:']);
  const connection = await connect({ ...credentialsOf(url), reconnect: false, timeout: 10_000 }).catch(
    (error: unknown) => {
      throw unreachableServer(variable, 'NATS', error);
    },
  );
  const version = connection.info?.version ?? '0.0.0';
  const jetstream = connection.info?.jetstream === true;
  await connection.close();
  if (isOlder(version, NATS_FLOOR)) {
    throw new UserError(`${variable}: NATS ${version} is too old; Capstan needs ${NATS_FLOOR} or newer`, {
      code: 'nats_too_old',
      field: variable,
      remedy: `Upgrade it, name another server, or unset ${variable} and Capstan starts a server of its own.`,
    });
  }
  if (jetstream) return;
  throw new UserError(`${variable}: the NATS server has no JetStream`, {
    code: 'nats_without_jetstream',
    field: variable,
  });
}

function refuseOtherScheme(variable: string, url: string, allowed: readonly string[]): void {
  const scheme = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (scheme !== undefined && allowed.includes(scheme)) return;
  // The URL itself may hold a password and is not repeated.
  throw new UserError(`${variable} is not a ${allowed.join('// or ')}// URL`, {
    code: 'server_url_invalid',
    field: variable,
    remedy: `Set ${variable} to ${allowed[0]}//user:password@host:port, or unset it.`,
  });
}

function unreachableServer(variable: string, name: string, cause: unknown): TransientError {
  return new TransientError(`${variable}: ${name} can't be reached: ${errorText(cause)}`, {
    code: 'server_unreachable',
    field: variable,
    remedy: `Check that it runs and that user and password are right, or unset ${variable} and Capstan starts one of its own.`,
  });
}
