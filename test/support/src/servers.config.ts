import { z } from 'zod';

/** What Jest's global set-up tells the specs. */
const ServersConfig = z.object({
  /** A Postgres whose role may create databases and is no superuser. */
  CAPSTAN_TEST_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  /** A NATS server with JetStream that all spec files of the run share. */
  CAPSTAN_TEST_NATS_URL: z.string().min(1),
  /** nats-server, for specs that want a server of their own. */
  CAPSTAN_TEST_NATS_BINARY: z.string().min(1),
});

/** One of the servers' settings. @throws when Jest was started with CAPSTAN_TEST_SERVERS=none. */
export function serverSetting(name: keyof z.infer<typeof ServersConfig>): string {
  const parsed = ServersConfig.shape[name].safeParse(process.env[name]);
  if (parsed.success) return parsed.data;
  throw new Error(`${name} is not set: this spec needs the servers; run Jest without CAPSTAN_TEST_SERVERS=none`);
}
