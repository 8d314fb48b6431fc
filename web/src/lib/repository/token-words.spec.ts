import { expect, it } from 'vitest';
import type { RepositoryAccess } from '#lib/api/types.ts';
import { hostOf, rowsOf, shownAs, verdictOf } from './token-words.ts';

type Tested = RepositoryAccess['permissions'][number];
const permission = (name: string, state: Tested['state'], over: Partial<Tested> = {}): Tested => ({
  ...{ permission: name, neededFor: 'n', required: true, grantable: true, state, words: null, remedy: null },
  ...over,
});
const access = (...permissions: Tested[]): RepositoryAccess => ({
  ...{ fullName: 'acme/app', private: true, tokenKind: 'fine-grained' },
  permissions,
});
const CONTENTS = permission('Contents: Read and write', 'ok');
const ACTIONS = permission('Actions: Read-only', 'missing', { required: false });
const CHECKS = permission('Checks: Read-only', 'missing', { required: false, grantable: false });

it('shows what is needed before anything was tested', () => {
  const { permission: name, neededFor, required, grantable } = CONTENTS;
  const need = { permission: name, neededFor, required, grantable };
  const [row] = rowsOf({ needs: [need], newTokenUrl: '', tokensUrl: '' }, undefined);
  expect(row).toMatchObject({ permission: 'Contents: Read and write', state: 'untested' });
  expect(shownAs(row!)).toEqual({ label: 'Not tested yet', tone: 'queued' });
  expect(rowsOf(undefined, undefined)).toEqual([]);
  const unsure = permission('a', 'unknown');
  const missing = permission('b', 'missing');
  expect(rowsOf(undefined, access(CONTENTS, unsure, CHECKS, missing))).toEqual([missing, CHECKS, unsure, CONTENTS]);
});

it.each([
  ['all is there', [CONTENTS], 'done', 'The token can do all that tasks need'],
  [
    'one is missing',
    [CONTENTS, permission('Issues: Read and write', 'missing'), CHECKS],
    'failed',
    'The token lacks Issues: Read and write',
  ],
  [
    'three are missing',
    ['a', 'b', 'c'].map((name) => permission(name, 'missing')),
    'failed',
    'The token lacks a, b and c',
  ],
  ['one is not known', [permission('a', 'unknown'), CHECKS], 'needs', 'GitHub did not say whether the token has a'],
  ['nothing of CI is seen', [CONTENTS, ACTIONS, CHECKS], 'needs', 'Tasks get as far as an open pull request'],
  ['jobs are seen, and checks not', [CONTENTS, CHECKS], 'done', 'The token can do all that tasks need'],
  [
    'statuses are not seen',
    [permission('Commit statuses: Read-only', 'missing', { required: false })],
    'needs',
    'Tasks get as far as an open pull request',
  ],
  [
    'workflows are not known',
    [CONTENTS, permission('Workflows: Read and write', 'unknown', { required: false })],
    'done',
    'The token can do all that tasks need',
  ],
])('says what it comes to when %s', (_what, permissions, tone, title) => {
  expect(verdictOf(access(...permissions))).toMatchObject({ tone, title });
});

it('tells what stops a task from what does not, and from what GitHub does not offer', () => {
  const labels = [
    permission('a', 'missing'),
    permission('a', 'missing', { required: false }),
    CHECKS,
    permission('a', 'unknown'),
  ].map((row) => Object.values(shownAs(row)).join(' '));
  expect(labels).toEqual([
    'Missing failed',
    'Missing needs',
    'Not to be had for fine-grained tokens needs',
    'Not known queued',
  ]);
});

it('shows what jobs make up for as no trouble', () => {
  const [checks] = rowsOf(undefined, access(CONTENTS, { ...ACTIONS, state: 'ok' }, CHECKS));
  expect(shownAs(checks!)).toEqual({ label: 'Seen through Actions', tone: 'queued' });
});

it('calls a page by its host', () => {
  expect([hostOf('https://github.com/settings'), hostOf('nonsense')]).toEqual(['github.com', 'GitHub']);
});
