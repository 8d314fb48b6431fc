import type { Agent, AgentTest } from '../api/types.ts';
import { money, span } from '../format.ts';
import type { Tone } from '../words.ts';

interface Words {
  readonly label: string;
  readonly tone: Tone;
}

const READY: Words = { label: 'Ready', tone: 'done' };

/** What most stands in its way, or that nothing does. An agent that nobody has installed is no fault. */
export function agentWords(agent: Pick<Agent, 'program' | 'machines' | 'credentialFrom'>): Words {
  const { program, machines, credentialFrom } = agent;
  if (program === null) return { label: 'Any program', tone: 'queued' };
  if (machines.length === 0) return { label: 'Not looked for yet', tone: 'queued' };
  if (machines.every(({ path }) => path === null)) return { label: 'Not installed', tone: 'queued' };
  if (machines.some(({ problem }) => problem !== null)) return { label: 'Does not start', tone: 'failed' };
  if (credentialFrom === 'missing') return { label: 'No credential', tone: 'needs' };
  if (machines.some(({ path }) => path === null)) return { label: 'Not everywhere', tone: 'needs' };
  return machines.some(({ older }) => older) ? { label: 'Older than tried', tone: 'needs' } : READY;
}

/** Where a run gets its credential. */
export function credentialWords({
  credentialFrom,
  set,
  credentials,
}: Pick<Agent, 'credentialFrom' | 'set' | 'credentials'>): string {
  switch (credentialFrom) {
    case 'none_needed':
      return 'None needed';
    case 'secret':
      return `Secret ${credentials.filter((name) => set.includes(name)).join(', ')}`;
    case 'log_in':
      return 'The log-in on this machine';
    case 'missing':
      return 'None: no secret is set';
  }
}

/** Seconds until it may be tested again; 0 when it may. */
export function testSeconds(nextTestAt: string | null, now: number): number {
  return nextTestAt === null ? 0 : Math.max(0, Math.ceil((Date.parse(nextTestAt) - now) / 1_000));
}

/** Nobody has answered for so long: no runner is there, or it died. ms */
const OPEN_MS = 150_000;

export function isTesting(test: Pick<AgentTest, 'state' | 'askedAt'> | null, now: number): boolean {
  const open = test?.state === 'waiting' || test?.state === 'running';
  return open && now - Date.parse(test.askedAt) < OPEN_MS;
}

/** "3 s · $0.01 · isolated": what a test came to besides its words. */
export function testFacts({
  durationMs,
  costUsd,
  isolation,
}: Pick<AgentTest, 'durationMs' | 'costUsd' | 'isolation'>): string {
  return [
    durationMs === null ? null : span(durationMs),
    durationMs === null ? null : costUsd === null ? 'cost not known' : money(costUsd),
    isolation === null ? null : isolation === 'isolated' ? 'isolated' : 'not isolated',
  ]
    .filter((fact) => fact !== null)
    .join(' · ');
}
