import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bug, UserError } from '@capstan/domain';
import { z } from 'zod';
import { identify, isAlive } from '../servers/process-identity.js';
import { writePrivateFile } from '../servers/server-state.js';

const Identity = z.object({ pid: z.number().int(), startTime: z.string() });

const LauncherStateSchema = z.object({
  launcher: Identity,
  /** The host that it runs; undefined while there is none. */
  host: Identity.optional(),
  url: z.string(),
  /** Of health and metrics; undefined until the host is started. */
  internalUrl: z.string().optional(),
  /** Servers that run elsewhere: where, without credentials. */
  given: z.object({ postgres: z.string().optional(), nats: z.string().optional() }).optional(),
  startedAt: z.string(),
});
/** Who runs this data directory. */
export type LauncherState = z.infer<typeof LauncherStateSchema>;

const SecretsSchema = z.object({
  /** 32 bytes in base64; seals the secrets in the database. */
  encryptionKey: z.string(),
  /** Redeemed once, by the first visitor, to make the first user. */
  setUpToken: z.string(),
  /** The token of the `capstan` command on this machine. */
  cliToken: z.string(),
});
/** What is made at random at the first start and never changes. */
export type Secrets = z.infer<typeof SecretsSchema>;

const CliFile = z.object({ url: z.string(), token: z.string() });
export type CliAccess = z.infer<typeof CliFile>;

const EgressFile = z.object({ port: z.number().int().min(1).max(65_535) });

/** The files of a data directory. All are 0600 in a directory of 0700. */
export class DataDirectory {
  constructor(readonly path: string) {}

  get logFile(): string {
    return join(this.logs, 'host.log');
  }

  /** Directory of the logs of host and servers. */
  get logs(): string {
    return join(this.path, 'log');
  }

  /** Directory of the pods: one directory per pod. */
  get pods(): string {
    return join(this.path, 'pods');
  }

  launcherState(): LauncherState | undefined {
    return readJson(this.file('launcher.json'), LauncherStateSchema);
  }

  /**
   * Makes this process the one that runs the directory. An orphaned host of a launcher that died stays in the answer:
   * it has to be ended first.
   * @throws UserError `already_running` when another launcher has it.
   */
  async claim(url: string): Promise<LauncherState> {
    const launcher = identify(process.pid);
    if (launcher === undefined) throw new Bug('this process has no start time');
    const former = this.launcherState();
    if (former !== undefined && isAlive(former.launcher)) throw this.alreadyRunning(former);
    const orphan = former?.host === undefined ? {} : { host: former.host };
    const state: LauncherState = { launcher, url, startedAt: new Date().toISOString(), ...orphan };
    const file = this.file('launcher.json');
    const mine = `${file}.${process.pid}`;
    writeFileSync(mine, JSON.stringify(state), { mode: 0o600 });
    try {
      rmSync(file, { force: true });
      linkSync(mine, file);
    } catch (error) {
      const winner = this.launcherState();
      if (winner !== undefined) throw this.alreadyRunning(winner);
      throw error;
    } finally {
      rmSync(mine, { force: true });
    }
    // Two that find the same dead launcher may both get here: the later one's file stands.
    if (former !== undefined) await new Promise((resolve) => setTimeout(resolve, 100));
    const winner = this.launcherState();
    if (winner !== undefined && winner.launcher.pid !== launcher.pid) throw this.alreadyRunning(winner);
    return state;
  }

  writeLauncherState(state: LauncherState): void {
    writePrivateFile(this.file('launcher.json'), JSON.stringify(state));
  }

  release(): void {
    rmSync(this.file('launcher.json'), { force: true });
  }

  /** The secrets; made when there are none. */
  secrets(): Secrets {
    const known = this.storedSecrets();
    if (known !== undefined) return known;
    const fresh = freshSecrets();
    this.writeSecrets(fresh);
    return fresh;
  }

  /** The secrets, if there are any. @throws UserError `secrets_damaged` */
  storedSecrets(): Secrets | undefined {
    const file = this.file('secrets.json');
    const known = readJson(file, SecretsSchema);
    if (known !== undefined || !existsSync(file)) return known;
    throw new UserError(`${file} is damaged`, { code: 'secrets_damaged' });
  }

  writeSecrets(secrets: Secrets): void {
    writePrivateFile(this.file('secrets.json'), JSON.stringify(secrets));
  }

  /** @throws UserError `already_running` while a launcher has the directory. */
  refuseRunning(): void {
    const state = this.launcherState();
    if (state !== undefined && isAlive(state.launcher)) throw this.alreadyRunning(state);
  }

  /** How the `capstan` command reaches the gateway. */
  cliAccess(): CliAccess | undefined {
    return readJson(this.file('cli.json'), CliFile);
  }

  writeCliAccess(access: CliAccess): void {
    writePrivateFile(this.file('cli.json'), JSON.stringify(access));
  }

  /** Where egress listened last; undefined before the first start. */
  egressPort(): number | undefined {
    return readJson(this.file('egress.json'), EgressFile)?.port;
  }

  writeEgressPort(port: number): void {
    writePrivateFile(this.file('egress.json'), JSON.stringify({ port }));
  }

  private alreadyRunning(state: LauncherState): UserError {
    return new UserError(`Capstan runs already: ${state.url} (process ${state.launcher.pid}, ${this.path})`, {
      code: 'already_running',
      status: 409,
    });
  }

  private file(name: string): string {
    return join(this.path, name);
  }
}

/** Random secrets, sealed with a given key where there is one. */
export function freshSecrets(encryptionKey = randomBytes(32).toString('base64')): Secrets {
  return {
    encryptionKey,
    setUpToken: randomBytes(24).toString('base64url'),
    cliToken: `capstan_${randomBytes(24).toString('base64url')}`,
  };
}

/** The content of a secrets.json; undefined for any other text. */
export function parseSecrets(text: string): Secrets | undefined {
  return parseAs(text, SecretsSchema);
}

function readJson<Value>(file: string, schema: z.ZodType<Value>): Value | undefined {
  return existsSync(file) ? parseAs(readFileSync(file, 'utf8'), schema) : undefined;
}

function parseAs<Value>(text: string, schema: z.ZodType<Value>): Value | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // torn or damaged: the caller decides
  }
}
