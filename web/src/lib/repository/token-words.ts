import type { RepositoryAccess, TokenGuide } from '../api/types.ts';
import type { Tone } from '../words.ts';

type Need = TokenGuide['needs'][number];
type Tested = RepositoryAccess['permissions'][number];

/** A permission as the list shows it; `untested` before a token was tried. */
export interface Row extends Need {
  readonly state: Tested['state'] | 'untested';
  readonly words: string | null;
  readonly remedy: string | null;
  /** It is missing, and what it is for comes by another permission. */
  readonly isMadeUpFor?: boolean;
}

/** What wants doing first; the order of granting otherwise. */
const ORDER: readonly Row['state'][] = ['missing', 'unknown', 'untested', 'ok'];

export function rowsOf(guide: TokenGuide | undefined, access: RepositoryAccess | undefined): readonly Row[] {
  if (access === undefined)
    return (guide?.needs ?? []).map((need) => ({ ...need, state: 'untested', words: null, remedy: null }));
  const hasActions = access.permissions.some(
    ({ permission, state }) => permission.startsWith('Actions:') && state === 'ok',
  );
  const rows: readonly Row[] = access.permissions.map((row) =>
    hasActions && row.state === 'missing' && !row.grantable ? { ...row, isMadeUpFor: true } : row,
  );
  const weight = ({ state, required }: Row) => 2 * ORDER.indexOf(state) + (required ? 0 : 1);
  return rows.toSorted((one, other) => weight(one) - weight(other));
}

interface Shown {
  readonly label: string;
  readonly tone: Tone;
}

export function shownAs({ state, required, grantable, isMadeUpFor }: Row): Shown {
  switch (state) {
    case 'ok':
      return { label: 'Granted', tone: 'done' };
    case 'missing':
      if (isMadeUpFor) return { label: 'Seen through Actions', tone: 'queued' };
      if (!grantable) return { label: 'Not to be had for fine-grained tokens', tone: 'needs' };
      return { label: 'Missing', tone: required ? 'failed' : 'needs' };
    case 'unknown':
      return { label: 'Not known', tone: 'queued' };
    case 'untested':
      return { label: 'Not tested yet', tone: 'queued' };
  }
}

export interface Verdict {
  readonly tone: Tone;
  readonly title: string;
  readonly text: string;
}

/** What a test comes to, and what to do next. */
export function verdictOf({ fullName, permissions }: RepositoryAccess): Verdict {
  const missing = permissions.filter(({ state }) => state === 'missing');
  const stopping = missing.filter(({ required }) => required);
  if (stopping.length > 0)
    return {
      tone: 'failed',
      title: `The token lacks ${inWords(stopping.map(({ permission }) => permission))}`,
      text: 'Change it at GitHub, where it keeps its value, and test it again.',
    };
  const unsure = permissions.filter(({ state, required }) => required && state === 'unknown');
  if (unsure.length > 0)
    return {
      tone: 'needs',
      title: `GitHub did not say whether the token has ${inWords(unsure.map(({ permission }) => permission))}`,
      text: 'That keeps nobody from going on. Should a task stop at it, its page says so.',
    };
  const lacks = (title: string) => missing.some(({ permission }) => permission.startsWith(`${title}:`));
  if (lacks('Commit statuses') || (lacks('Checks') && lacks('Actions')))
    return {
      tone: 'needs',
      title: 'Tasks get as far as an open pull request',
      text: `A person merges it: Capstan merges nothing by itself in ${fullName} while it can not see what CI says.`,
    };
  return {
    tone: 'done',
    title: 'The token can do all that tasks need',
    text: 'Label an issue at GitHub once the repository is added: it becomes the first task.',
  };
}

/** "a", "a and b", "a, b and c". */
function inWords(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}

/** Host of a page, as a person would say it: `github.com`. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'GitHub';
}
