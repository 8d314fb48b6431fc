import { FAULTS } from '../../faults/index.js';
import type { Action } from '../action.js';
import {
  freezeExecutor,
  freezeHost,
  freezeRunner,
  killAll,
  killEveryReplica,
  killExecutor,
  killHost,
  killRunner,
  rollingRestart,
} from './hosts.js';
import { deleteStreams, freezeNats, killNats, repeatMessages, wipeNats } from './nats.js';
import { endConnections, freezePostgres, killPostgres } from './postgres.js';

/** Everything that the adversary can do. */
export const ACTIONS: readonly Action[] = [
  killHost,
  killRunner,
  killExecutor,
  killEveryReplica,
  killAll,
  freezeRunner,
  freezeHost,
  freezeExecutor,
  rollingRestart,
  killNats,
  freezeNats,
  wipeNats,
  deleteStreams,
  repeatMessages,
  killPostgres,
  freezePostgres,
  endConnections,
  ...FAULTS,
];
