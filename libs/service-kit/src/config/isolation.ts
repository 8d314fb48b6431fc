import { join, resolve } from 'node:path';
import { z } from 'zod';

/** What the services that make local pods, and those that start agents in them, read from the environment. */
export const isolationSettings = {
  CAPSTAN_ISOLATION: z.enum(['require', 'prefer', 'off']).default('prefer').meta({
    description:
      'Pods on this machine: require makes none whose boundary a probe did not prove, prefer marks them "not isolated", off tries none',
  }),
  CAPSTAN_BWRAP_BIN: z.string().min(1).optional().meta({
    description: 'bubblewrap, which local pods are isolated with; the one on PATH if unset',
  }),
  CAPSTAN_ISOLATION_READABLE: z
    .string()
    .default('')
    .refine((text) => pathsIn(text).every((path) => path.startsWith('/')), 'expected absolute paths')
    .meta({ description: 'Further paths of this machine that isolated agents may read, separated by colons' }),
  CAPSTAN_EGRESS_SOCKET: z.string().min(1).optional().meta({
    description: "Egress's Unix socket, alone in its directory; egress/egress.sock of CAPSTAN_DATA_DIR if unset",
  }),
  CAPSTAN_EGRESS_URL: z
    .url({ protocol: /^http$/, error: 'expected http://host:port' })
    .transform((url) => url.replace(/\/+$/, ''))
    .default('http://127.0.0.1:4403')
    .meta({ description: 'Where agents reach egress, as their pods see it' }),
};

export interface IsolationConfig {
  readonly CAPSTAN_ISOLATION: 'require' | 'prefer' | 'off';
  readonly CAPSTAN_BWRAP_BIN?: string | undefined;
  readonly CAPSTAN_ISOLATION_READABLE: string;
  readonly CAPSTAN_EGRESS_SOCKET?: string | undefined;
  readonly CAPSTAN_EGRESS_URL: string;
  readonly CAPSTAN_DATA_DIR: string;
  readonly CAPSTAN_DATABASE_URL: string;
  readonly CAPSTAN_NATS_URL: string;
}

/** How the local runtime is to isolate its pods, in its own words. */
export function localIsolation(config: IsolationConfig) {
  const dataDirectory = resolve(config.CAPSTAN_DATA_DIR);
  const url = new URL(config.CAPSTAN_EGRESS_URL);
  return {
    mode: config.CAPSTAN_ISOLATION,
    ...(config.CAPSTAN_BWRAP_BIN !== undefined && { bwrap: config.CAPSTAN_BWRAP_BIN }),
    hidden: [dataDirectory],
    readable: pathsIn(config.CAPSTAN_ISOLATION_READABLE),
    egress: {
      socket: resolve(config.CAPSTAN_EGRESS_SOCKET ?? join(dataDirectory, 'egress', 'egress.sock')),
      port: Number(url.port === '' ? 80 : url.port),
    },
    unreachable: [config.CAPSTAN_DATABASE_URL, ...config.CAPSTAN_NATS_URL.split(',')].flatMap(addressIn),
  };
}

function pathsIn(text: string): string[] {
  return text.split(':').filter((path) => path !== '');
}

/** Of a server that is reached by TCP. */
function addressIn(text: string): string[] {
  if (!URL.canParse(text.trim())) return [];
  const { hostname, port, protocol } = new URL(text.trim());
  if (hostname === '') return [];
  return [`${hostname}:${port === '' ? (protocol.startsWith('postgres') ? 5432 : 4222) : port}`];
}
