import { decideDelivery } from './receive.decide.js';

it.each([
  [
    { known: true, signed: true, remoteId: 'a1b2-c3' },
    { kind: 'store', remoteId: 'a1b2-c3' },
  ],
  [{ known: false, signed: true, remoteId: 'a' }, { kind: 'unauthenticated' }],
  [{ known: true, signed: false, remoteId: 'a' }, { kind: 'unauthenticated' }],
  [{ known: true, signed: false, remoteId: undefined }, { kind: 'unauthenticated' }],
  [{ known: true, signed: true, remoteId: 'a', concerns: false }, { kind: 'ignore' }],
  [{ known: true, signed: false, remoteId: 'a', concerns: false }, { kind: 'unauthenticated' }],
  [{ known: true, signed: true, remoteId: undefined }, { kind: 'malformed' }],
  [{ known: true, signed: true, remoteId: '' }, { kind: 'malformed' }],
  [{ known: true, signed: true, remoteId: 'x'.repeat(201) }, { kind: 'malformed' }],
  [{ known: true, signed: true, remoteId: 'a b' }, { kind: 'malformed' }],
])('%j', (facts, verdict) => {
  expect(decideDelivery(facts)).toMatchObject(verdict);
});
