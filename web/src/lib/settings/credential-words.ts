import type { Credential } from '../api/types.ts';
import { plural } from '../format.ts';
import type { Tone } from '../words.ts';

export type Shown = Credential['state'] | 'checking' | 'set';

interface Words {
  readonly label: string;
  readonly tone: Tone;
  /** What helps, or what happens by itself. */
  readonly hint: string | null;
}

const STATES: Readonly<Record<Shown, Words>> = {
  missing: { label: 'Missing', tone: 'needs', hint: null },
  checking: { label: 'Checking …', tone: 'working', hint: null },
  unchecked: { label: 'Not checked yet', tone: 'queued', hint: 'It is checked while the service egress runs.' },
  set: { label: 'Set', tone: 'queued', hint: null },
  valid: { label: 'Valid', tone: 'done', hint: null },
  expired: { label: 'Expired', tone: 'failed', hint: 'Make a new one there and replace it here.' },
  scope_too_narrow: {
    label: 'Scope too narrow',
    tone: 'failed',
    hint: 'Give it the permission there, or replace it by one that has it.',
  },
  refused: { label: 'Refused', tone: 'failed', hint: 'Replace it by one that is taken.' },
  inconclusive: {
    label: 'Inconclusive',
    tone: 'needs',
    hint: 'That says nothing of the credential; it is asked about again within five minutes.',
  },
};

/** A check that nobody has made within this is not under way. ms */
const CHECK_MS = 60_000;

/** What is shown: what is under way first, and of what nobody can be asked about only that it is set. */
export function shownState(
  { state, checking, provider, setAt, nextVerifyAt }: Omit<Credential, 'checks' | 'neededBy'>,
  now: number,
): Shown {
  if (state === 'missing') return state;
  if (provider === null) return 'set';
  const until = Math.max(Date.parse(setAt ?? '') + CHECK_MS, Date.parse(nextVerifyAt ?? ''));
  return checking && now < until ? 'checking' : state;
}

export function stateWords(state: Shown): Words {
  return STATES[state];
}

/** Most names of repositories in a line. */
const MOST = 3;

/** "Claude Code in acme/web, acme/api and 2 more": who needs it, each with where. */
export function neededWords(neededBy: Credential['neededBy']): readonly string[] {
  const places = new Map<string, string[]>();
  for (const { agent, repository } of neededBy) {
    const who = agent ?? 'Capstan';
    places.set(who, [...(places.get(who) ?? []), repository]);
  }
  return [...places].map(([who, names]) => {
    const rest = names.length - MOST;
    return `${who} in ${names.slice(0, MOST).join(', ')}${rest > 0 ? ` and ${plural(rest, 'more', 'more')}` : ''}`;
  });
}

/** Seconds until Verify may be asked again; 0 when it may. */
export function verifySeconds(nextVerifyAt: string | null, now: number): number {
  return nextVerifyAt === null ? 0 : Math.min(60, Math.max(0, Math.ceil((Date.parse(nextVerifyAt) - now) / 1_000)));
}

/** Where it is not as it should be, when it is asked about at several places; the state itself tells the rest. */
export function troubledPlaces({ checks }: Pick<Credential, 'checks'>): Credential['checks'] {
  return checks.length < 2 ? [] : checks.filter(({ state }) => state !== 'valid' && state !== 'unchecked');
}
