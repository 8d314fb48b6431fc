import type { FaultPort, Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { Broker } from '@capstan/jetstream';
import type { Runtime } from '@capstan/runtimes';
import type { Vault } from '@capstan/service-kit';
import type { EgressAccess } from './egress-access.js';
import type { StartGate } from './start-gate.js';

/** What driving a run takes. */
export interface DriverPorts {
  readonly database: Database;
  readonly broker: Broker;
  readonly runtime: Runtime;
  readonly vault: Vault;
  /** Author of the commits that Capstan makes of leftovers, `Name <address>`. */
  readonly author: string;
  readonly podEnvironment: Readonly<Record<string, string | undefined>>;
  /** How the agent of that run reaches what is outside. */
  readonly egress: (runId: Id) => EgressAccess;
  /** Home directory whose log-ins of agents' programs stand in for secrets that aren't set; undefined: none do. */
  readonly logInHome?: string | undefined;
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
  readonly faults: FaultPort;
  /** Agents that this replica starts pass through it. */
  readonly gate: StartGate;
}
