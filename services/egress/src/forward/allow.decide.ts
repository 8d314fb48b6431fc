import type { Refusal } from '../server/refusal.js';
import { isHostMeant, isMeant, shownHost, type HostPort, type HostRule } from './host-rule.js';

/** Whether a run may reach a host, by name alone: what the name leads to is looked at afterwards. Null: it may. */
export function decideHost(target: HostPort, rules: readonly HostRule[]): Refusal | null {
  if (rules.some((rule) => isMeant(rule, target))) return null;
  const shown = shownHost(target);
  if (rules.some((rule) => isHostMeant(rule, target.host)))
    return {
      reason: 'port_blocked',
      status: 403,
      words: `${shown} is blocked: the host is allowed, this port of it isn't. Add ${shown} to the repository's egress hosts if agents need it.`,
    };
  return {
    reason: 'host_blocked',
    status: 403,
    words: `${shown} is blocked: it is neither a package registry nor the agent's model provider nor among the repository's egress hosts. A person can add ${target.host} there; do without it, or say in your result that it is needed.`,
  };
}
