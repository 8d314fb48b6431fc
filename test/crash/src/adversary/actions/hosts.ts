import { setTimeout as pause } from 'node:timers/promises';
import { LEASE_MS } from '@capstan/domain';
import type { ServiceHost } from '../../stage/host.js';
import type { Action } from '../action.js';

const READY_WITHIN_MS = 90_000;

/** A service that dies without a word, at a random moment. */
export const killHost: Action = {
  name: 'kill-host',
  weight: 8,
  async act({ hosts }, random, note) {
    kill(random.pick(hosts.all), note);
  },
};

/** The one with the leases, more often than by chance alone. */
export const killRunner: Action = {
  name: 'kill-agent-runner',
  weight: 3,
  async act({ hosts }, random, note) {
    kill(random.pick(hosts.of('agent-runner')), note);
  },
};

/** Whoever writes to the outside world. */
export const killExecutor: Action = {
  name: 'kill-executor',
  weight: 3,
  async act({ hosts }, random, note) {
    kill(random.pick([...hosts.of('pr-watcher'), ...hosts.of('ticket-sync')]), note);
  },
};

export const killEveryReplica: Action = {
  name: 'kill-every-replica',
  weight: 2,
  async act({ hosts }, random, note) {
    for (const host of hosts.of(random.pick(['scheduler', 'pod-pool', 'agent-runner', 'pr-watcher', 'ticket-sync'])))
      kill(host, note);
  },
};

/** A power cut of everything but the servers. */
export const killAll: Action = {
  name: 'kill-all-hosts',
  weight: 1,
  async act({ hosts }, _random, note) {
    note(`SIGKILL to all ${hosts.all.length} hosts`);
    for (const host of hosts.all) host.kill('SIGKILL');
  },
};

/** A runner that sleeps through its leases and wakes up believing that it has them. */
export const freezeRunner: Action = {
  name: 'freeze-agent-runner',
  weight: 3,
  async act({ hosts }, random, note) {
    await freeze(random.pick(hosts.of('agent-runner')), random.int(LEASE_MS + 1_000, 3 * LEASE_MS), note);
  },
};

export const freezeHost: Action = {
  name: 'freeze-host',
  weight: 2,
  async act({ hosts }, random, note) {
    await freeze(random.pick(hosts.all), random.int(2_000, 8_000), note);
  },
};

/** Longer than an effect's deadline: a sibling takes over what this one may have sent already. */
export const freezeExecutor: Action = {
  name: 'freeze-executor',
  weight: 1,
  async act({ hosts }, random, note) {
    await freeze(random.pick([...hosts.of('pr-watcher'), ...hosts.of('ticket-sync')]), 22_000, note);
  },
};

/** A new release: one replica after the other is stopped in order, and the next only when it is back. */
export const rollingRestart: Action = {
  name: 'rolling-restart',
  weight: 1,
  async act({ hosts, replicas }, random, note) {
    const [first, last] = [random.int(0, replicas - 1), replicas - 1];
    const order = first === last ? [last] : [first, last];
    for (const replica of order) {
      note(`rolling restart of every replica ${replica}`);
      const these = hosts.all.filter((host) => host.replica === replica);
      // Two at a time: a host costs about a second of a core to start.
      for (let at = 0; at < these.length; at += 2)
        await Promise.all(these.slice(at, at + 2).map((host) => host.restart({}, READY_WITHIN_MS)));
    }
  },
};

function kill(host: ServiceHost, note: (text: string) => void): void {
  const { pid } = host;
  note(host.kill('SIGKILL') ? `SIGKILL to ${host.name} (${pid})` : `${host.name} was down already`);
}

async function freeze(host: ServiceHost, forMs: number, note: (text: string) => void): Promise<void> {
  const { pid } = host;
  if (!host.kill('SIGSTOP')) return note(`${host.name} was down already`);
  note(`SIGSTOP to ${host.name} (${pid}) for ${forMs} ms`);
  await pause(forMs);
  // It may have been killed meanwhile; its successor was never stopped.
  if (host.pid === pid) host.kill('SIGCONT');
  note(`SIGCONT to ${host.name}`);
}
