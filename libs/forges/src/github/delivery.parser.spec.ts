import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { readGitHubDelivery, verifyGitHubDelivery } from './delivery.parser.js';

const SECRET = "It's a Secret to Everybody";
const BODY = Buffer.from('Hello, World!');
// GitHub's own published example.
const SIGNATURE = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';

describe('verifyGitHubDelivery', () => {
  it('accepts what was signed with the secret', () => {
    expect(verifyGitHubDelivery(SECRET, { 'x-hub-signature-256': SIGNATURE }, BODY)).toBe(true);
    expect(verifyGitHubDelivery(SECRET, { 'X-Hub-Signature-256': SIGNATURE }, BODY)).toBe(true);
  });

  it.each<[string, string | undefined]>([
    ['no signature', undefined],
    ['an empty one', ''],
    ['a short one', SIGNATURE.slice(0, -2)],
    ['a long one', `${SIGNATURE}00`],
    ['one that is no hex', `sha256=${'z'.repeat(64)}`],
    ['another one', `sha256=${'0'.repeat(64)}`],
    ['the old algorithm', `sha1=${createHmac('sha1', SECRET).update(BODY).digest('hex')}`],
  ])('refuses %s', (_, signature) => {
    expect(verifyGitHubDelivery(SECRET, { 'x-hub-signature-256': signature }, BODY)).toBe(false);
  });

  it('refuses another body, another secret, and no secret', () => {
    expect(verifyGitHubDelivery(SECRET, { 'x-hub-signature-256': SIGNATURE }, Buffer.from('Hello, World?'))).toBe(
      false,
    );
    expect(verifyGitHubDelivery('other', { 'x-hub-signature-256': SIGNATURE }, BODY)).toBe(false);
    const unkeyed = `sha256=${createHmac('sha256', '').update(BODY).digest('hex')}`;
    expect(verifyGitHubDelivery('', { 'x-hub-signature-256': unkeyed }, BODY)).toBe(false);
  });
});

describe('readGitHubDelivery', () => {
  const repository = { full_name: 'acme/app' };
  const pull = { number: 4, head: { ref: 'capstan/x' }, base: { ref: 'main' } };
  const NOTHING = { pullRequests: [], branches: [] };
  const read = (event: string, payload: unknown) =>
    readGitHubDelivery({ 'x-github-event': event, 'x-github-delivery': 'd1' }, Buffer.from(JSON.stringify(payload)));

  it.each<[string, object, object]>([
    [
      'pull_request',
      { action: 'synchronize', pull_request: pull },
      { pullRequests: [4], branches: ['capstan/x', 'main'] },
    ],
    [
      'pull_request_review',
      { action: 'submitted', pull_request: pull },
      { pullRequests: [4], branches: ['capstan/x', 'main'] },
    ],
    [
      'check_run',
      {
        action: 'completed',
        check_run: { pull_requests: [{ number: 4 }, { number: 5 }], check_suite: { head_branch: 'capstan/x' } },
      },
      { pullRequests: [4, 5], branches: ['capstan/x'] },
    ],
    ['check_suite', { action: 'completed', check_suite: { pull_requests: [], head_branch: null } }, NOTHING],
    ['status', { branches: [{ name: 'a' }, { name: 'b' }, { name: 'a' }] }, { pullRequests: [], branches: ['a', 'b'] }],
    ['push', { ref: 'refs/heads/capstan/x' }, { pullRequests: [], branches: ['capstan/x'] }],
    ['push', { ref: 'refs/tags/v1' }, NOTHING],
    ['issues', { action: 'labeled', issue: { number: 7 } }, { ...NOTHING, issue: 7 }],
    ['issue_comment', { action: 'created', issue: { number: 7 } }, { ...NOTHING, issue: 7 }],
    [
      'issue_comment',
      { action: 'created', issue: { number: 4, pull_request: {} } },
      { pullRequests: [4], branches: [] },
    ],
    ['ping', { zen: 'x' }, NOTHING],
    ['star', { action: 'created' }, NOTHING],
  ])('%s %j', (event, payload, touched) => {
    const action = 'action' in payload ? { action: payload.action } : {};
    expect(read(event, { ...payload, repository })).toEqual({
      id: 'd1',
      event,
      ...action,
      fullName: 'acme/app',
      ...touched,
    });
  });

  it('reads a form', () => {
    const body = new URLSearchParams({ payload: JSON.stringify({ repository, issue: { number: 7 } }) }).toString();
    const headers = { 'x-github-event': 'issues', 'content-type': 'application/x-www-form-urlencoded' };
    expect(readGitHubDelivery(headers, Buffer.from(body))).toEqual({
      event: 'issues',
      fullName: 'acme/app',
      ...NOTHING,
      issue: 7,
    });
  });

  it('never throws, and gives whole values only', () => {
    const events = fc.constantFrom(
      'pull_request',
      'check_run',
      'check_suite',
      'status',
      'push',
      'issues',
      'issue_comment',
      'x',
    );
    const keys = fc.constantFrom(
      'pull_request',
      'check_run',
      'check_suite',
      'pull_requests',
      'issue',
      'number',
      'branches',
      'ref',
      'head_branch',
      'name',
    );
    const payload = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 4 }, fc.jsonValue(), fc.dictionary(keys, tie('node')), fc.array(tie('node'))),
    })).node;
    fc.assert(
      fc.property(events, payload, (event, value) => {
        const delivery = read(event, value);
        expect(delivery.pullRequests.every((each) => Number.isSafeInteger(each) && each > 0)).toBe(true);
        expect(delivery.branches.every((each) => typeof each === 'string' && each !== '')).toBe(true);
      }),
    );
    expect(readGitHubDelivery({}, Buffer.from([0xff, 0xfe]))).toEqual({ event: 'unknown', ...NOTHING });
  });
});
