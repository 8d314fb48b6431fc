import type { Database } from '@capstan/database';
import { Vault, type Logger, type Metrics } from '@capstan/service-kit';
import { LiveRuns } from './admit/live-runs.js';
import { Places } from './admit/places.js';
import { Reach } from './address/reach.js';
import type { Resolve } from './address/resolver.js';
import type { EgressConfig } from './egress.config.js';
import { ForwardDoor } from './forward/forward-door.js';
import { GitDoor } from './git-door/git-door.js';
import { ModelDoor } from './model/model-door.js';
import { PROVIDERS, type Providers } from './model/provider.js';
import { recordOnce } from './record/record.loop.js';
import { Recorder } from './record/recorder.js';
import type { Door } from './server/door.js';
import { EgressServer } from './server/egress-server.js';

/** What requests under way get when the service stops; what is cut then is asked for again by the agents. ms */
const CLOSE_MS = 1_000;

export interface EgressPorts {
  readonly config: EgressConfig;
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly resolve: Resolve;
  /** Where the providers of models are, for specs. */
  readonly providers?: Providers;
}

/** The server with its doors, and what they share. */
export class Egress {
  readonly server: EgressServer;
  private readonly runs: LiveRuns;
  private readonly places = new Places();
  private readonly recorder = new Recorder();
  private readonly model: ModelDoor;
  private readonly git: GitDoor;

  constructor(private readonly ports: EgressPorts) {
    const { config, database, logger, metrics, resolve, providers = PROVIDERS } = ports;
    this.runs = new LiveRuns(database, config.encryptionKey);
    const reach = new Reach(resolve, config.privateHosts);
    const shared = { runs: this.runs, reach, recorder: this.recorder, places: this.places };
    const forward = new ForwardDoor(shared);
    const vault = new Vault(database, config.encryptionKey);
    const { logInHome } = config;
    this.model = new ModelDoor({ ...shared, database, vault, logger, metrics, providers, logInHome });
    this.git = new GitDoor({ ...shared, database, vault, encryptionKey: config.encryptionKey });
    // One folder per door; the first that takes a request has it.
    const doors: readonly Door[] = [forward, this.model, this.git];
    this.server = new EgressServer({ ...config, doors, tunnels: forward, logger, metrics });
  }

  /** Writes what was recorded since the last time. */
  record(): Promise<void> {
    return recordOnce(this.ports.database, this.recorder, this.ports.logger);
  }

  /** Ends what runs have open that don't go on any more. */
  async endOver(): Promise<void> {
    this.runs.sweep();
    for (const id of this.places.runs) if ((await this.runs.read(id)) === null) this.places.end(id);
  }

  async close(): Promise<void> {
    await this.server.close(CLOSE_MS);
    this.model.close();
    this.git.close();
    await this.record();
  }
}
