import { PROVIDER_ADDRESSES } from '../provider/targets.js';
import { decideCredentials } from './verify-credential.decide.js';
import type { CredentialSnapshot, KnownCheck } from './verify-credential.snapshot.js';

const NOW = new Date('2026-11-21T12:00:00Z');
const inMs = (ms: number) => new Date(+NOW + ms);
const EVERY = 300_000;
const TARGET = 'https://api.openai.com/v1/models';

const secret = {
  id: 's',
  workspaceId: 'w',
  repositoryId: null,
  userId: null,
  name: 'OPENAI_API_KEY',
  version: 2,
  verifyAskedAt: null,
};
const check: KnownCheck = {
  secretId: 's',
  target: TARGET,
  secretVersion: 2,
  beganAt: inMs(-60_000),
  claimedUntil: null,
  nextCheckAt: inMs(240_000),
  version: 7,
};
const snapshot = (over: Partial<CredentialSnapshot> = {}): CredentialSnapshot => ({
  now: NOW,
  secrets: [secret],
  repositories: [],
  checks: [check],
  ...over,
});
const decide = (over: Partial<CredentialSnapshot> = {}) => decideCredentials(snapshot(over), EVERY, PROVIDER_ADDRESSES);

it.each<readonly [string, Partial<CredentialSnapshot>, readonly (number | null)[], number]>([
  ['was checked a minute ago is left alone until it is time', {}, [], 240_000],
  ['was never checked is due', { checks: [] }, [null], EVERY],
  ['is overdue is due', { checks: [{ ...check, nextCheckAt: inMs(-1) }] }, [7], EVERY],
  ['has another value now is due', { checks: [{ ...check, secretVersion: 1 }] }, [7], EVERY],
  ['somebody asks about is due', { secrets: [{ ...secret, verifyAskedAt: inMs(-1) }] }, [7], EVERY],
  [
    'was asked about before its last check is not',
    { secrets: [{ ...secret, verifyAskedAt: inMs(-60_001) }] },
    [],
    240_000,
  ],
  [
    'is being checked is not, however it is asked for',
    { secrets: [{ ...secret, verifyAskedAt: inMs(-1) }], checks: [{ ...check, claimedUntil: inMs(5_000) }] },
    [],
    5_000,
  ],
  [
    'was being checked by a process that died is due',
    { checks: [{ ...check, claimedUntil: inMs(-1), nextCheckAt: inMs(-30_000) }] },
    [7],
    EVERY,
  ],
])('a credential that %s', (_what, over, due, withinMs) => {
  const plan = decide(over);
  expect(plan.due.map(({ checkVersion }) => checkVersion)).toEqual(due);
  expect([plan.withinMs, plan.forget]).toEqual([withinMs, []]);
});

it('forgets what was said where the secret is of no use any more', () => {
  const gone = { ...check, target: 'https://former.house/v1/models' };
  expect(decide({ checks: [check, gone] }).forget).toEqual([gone]);
});

it('takes what nobody knows anything of first, and then what is overdue longest', () => {
  const other = (id: string) => ({ ...secret, id });
  const { due } = decide({
    secrets: [other('late'), other('later'), other('new')],
    checks: [
      { ...check, secretId: 'late', nextCheckAt: inMs(-1_000) },
      { ...check, secretId: 'later', nextCheckAt: inMs(-2_000) },
    ],
  });
  expect(due.map(({ secret: { id } }) => id)).toEqual(['new', 'later', 'late']);
});

it('asks about a token of very many repositories at each of them seldom', () => {
  const repositories = Array.from({ length: 100 }, (_, index) => ({
    ...{ id: `r${index}`, workspaceId: 'w', fullName: `acme/${index}`, apiUrl: 'https://api.github.com' },
    ...{ credentialSecret: 'GITHUB_TOKEN', agent: { agent: 'command' } },
  }));
  const { due } = decide({ secrets: [{ ...secret, name: 'GITHUB_TOKEN' }], repositories, checks: [] });
  expect(due).toHaveLength(100);
  // 360 calls an hour of the 5,000 that GitHub allows.
  expect(new Set(due.map(({ everyMs }) => everyMs))).toEqual(new Set([1_000_000]));
});

it('knows nothing of one workspace in another', () => {
  const repositories = [
    {
      ...{ id: 'r', workspaceId: 'another', fullName: 'acme/a', apiUrl: 'https://api.github.com' },
      ...{ credentialSecret: 'GITHUB_TOKEN', agent: { agent: 'codex', baseUrl: 'http://models.house' } },
    },
  ];
  expect(decide({ repositories, checks: [] }).due.map(({ target }) => target.address)).toEqual([TARGET]);
});
