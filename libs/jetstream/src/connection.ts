import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { errorText, TransientError, UserError } from '@capstan/domain';
import { MIN_NATS_VERSION } from '@capstan/events';
import { isAtLeast } from './version.js';

/**
 * Opens a connection that reconnects for ever.
 * @param url one `nats://[user:password@]host:port` or several separated by commas; `tls://` for TLS.
 * @throws TransientError `nats_unreachable`; UserError `nats_url_invalid`, `nats_too_old`, `nats_refused` or `nats_without_jetstream`.
 */
export async function openConnection(url: string, name: string): Promise<NatsConnection> {
  const servers = parseUrl(url);
  let connection: NatsConnection;
  try {
    connection = await connect({
      ...servers,
      name,
      timeout: 5_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      reconnectJitter: 100,
      pingInterval: 10_000,
      ignoreAuthErrorAbort: true,
    });
  } catch (error) {
    throw connectFault(url, error);
  }
  const found = connection.info?.version ?? 'unknown';
  if (!isAtLeast(found, MIN_NATS_VERSION)) {
    await connection.close();
    throw new UserError(`nats-server ${found} is too old; ${MIN_NATS_VERSION} or newer is needed`, {
      code: 'nats_too_old',
      field: 'CAPSTAN_NATS_URL',
      remedy: `Upgrade nats-server to ${MIN_NATS_VERSION} or newer, or point CAPSTAN_NATS_URL at one.`,
    });
  }
  if (connection.info?.jetstream !== true) {
    await connection.close();
    throw new UserError('nats-server runs without JetStream', {
      code: 'nats_without_jetstream',
      field: 'CAPSTAN_NATS_URL',
    });
  }
  return connection;
}

function connectFault(url: string, cause: unknown): Error {
  const text = errorText(cause);
  if (/authorization|authentication/i.test(text)) {
    return new UserError(`nats-server at ${withoutPassword(url)} refused the credentials`, {
      code: 'nats_refused',
      field: 'CAPSTAN_NATS_URL',
      cause,
    });
  }
  return new TransientError(`nats-server at ${withoutPassword(url)} can't be reached`, {
    code: 'nats_unreachable',
    field: 'CAPSTAN_NATS_URL',
    cause,
  });
}

/** @throws UserError `nats_url_invalid`. */
function parseUrl(url: string): Pick<NodeConnectionOptions, 'servers' | 'user' | 'pass' | 'token' | 'tls'> {
  const urls = url.split(',').map((each) => {
    const text = each.trim();
    if (!URL.canParse(text) || !/^(nats|tls):/.test(text)) {
      throw new UserError(`unsupported CAPSTAN_NATS_URL "${withoutPassword(text)}"; expected nats://host:port`, {
        code: 'nats_url_invalid',
        field: 'CAPSTAN_NATS_URL',
      });
    }
    return new URL(text);
  });
  const [{ username = '', password = '', protocol = '' } = {}] = urls;
  const user = decodeURIComponent(username);
  const pass = decodeURIComponent(password);
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || '4222'}`),
    ...(pass !== '' ? { user, pass } : user !== '' ? { token: user } : {}),
    ...(protocol === 'tls:' ? { tls: {} } : {}),
  };
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/g, '//***@');
}
