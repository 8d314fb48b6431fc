import fc from 'fast-check';
import { BUNDLE_LIMITS, decideBundle, type BundleContents, type BundleFacts } from './bundle.decide.js';

const HEAD = 'a'.repeat(40);
const contents = (change: Partial<BundleContents> = {}): BundleContents => ({
  head: HEAD,
  baseIsPublished: true,
  baseIsAncestor: true,
  changedPaths: ['src/sum.js'],
  largestFileBytes: 1,
  unpackedBytes: 1,
  submoduleChanges: [],
  secrets: [],
  ...change,
});
const facts = (change: Partial<BundleFacts> = {}): BundleFacts => ({
  bytes: 1,
  refs: [{ name: 'refs/heads/b', sha: HEAD }],
  expected: { ref: 'refs/heads/b', head: HEAD },
  rejected: null,
  contents: contents(),
  ...change,
});
const inside = (change: Partial<BundleContents>) => facts({ contents: contents(change) });
const STRICT = { workflowChanges: false, submoduleChanges: false };

it('publishes what is as it should be', () => {
  expect(decideBundle(facts(), STRICT)).toEqual({ kind: 'publish', head: HEAD });
  const largest = {
    changedPaths: Array.from({ length: BUNDLE_LIMITS.files }, (_, index) => `f${index}`),
    largestFileBytes: BUNDLE_LIMITS.fileBytes,
  };
  expect(decideBundle({ ...inside(largest), bytes: BUNDLE_LIMITS.bundleBytes }, STRICT).kind).toBe('publish');
});

const FAULTS: [string, BundleFacts, string][] = [
  ['too many bytes', facts({ bytes: BUNDLE_LIMITS.bundleBytes + 1 }), 'publish_refused_size'],
  ['what git rejects', facts({ rejected: 'fsck error' }), 'publish_refused_history'],
  ['no list of refs', facts({ refs: null }), 'publish_refused_history'],
  ['no ref', facts({ refs: [] }), 'publish_refused_history'],
  ['two refs', facts({ refs: [...facts().refs!, { name: 'refs/heads/main', sha: HEAD }] }), 'publish_refused_history'],
  ['another ref', facts({ refs: [{ name: 'refs/heads/main', sha: HEAD }] }), 'publish_refused_history'],
  ['contents that could not be read', facts({ contents: null }), 'publish_refused_history'],
  ['another head', inside({ head: 'b'.repeat(40) }), 'publish_refused_history'],
  ['a base that the forge does not have', inside({ baseIsPublished: false }), 'publish_refused_history'],
  ['a rewritten history', inside({ baseIsAncestor: false }), 'publish_refused_history'],
  ['a large file', inside({ largestFileBytes: BUNDLE_LIMITS.fileBytes + 1 }), 'publish_refused_size'],
  [
    'too many files',
    inside({ changedPaths: Array.from({ length: BUNDLE_LIMITS.files + 1 }, String) }),
    'publish_refused_size',
  ],
  ['what unpacks to too much', inside({ unpackedBytes: BUNDLE_LIMITS.unpackedBytes + 1 }), 'publish_refused_size'],
  ['a secret', inside({ secrets: ['TOKEN'] }), 'publish_refused_secret'],
  ['a workflow', inside({ changedPaths: ['.github/workflows/ci.yml'] }), 'publish_refused_workflow'],
  ['a workflow in other letters', inside({ changedPaths: ['.GitHub/Workflows/ci.yml'] }), 'publish_refused_workflow'],
  ['what takes the place of the workflows', inside({ changedPaths: ['.github'] }), 'publish_refused_workflow'],
  ['a submodule', inside({ submoduleChanges: ['submodule.x.url'] }), 'publish_refused_submodule'],
];

it.each(FAULTS)('refuses %s', (_, given, code) => {
  expect(decideBundle(given, STRICT)).toMatchObject({ kind: 'refuse', code });
});

it('lets through what the repository allows, and nothing else', () => {
  const both = inside({ changedPaths: ['.github/workflows/ci.yml'], submoduleChanges: ['submodule.x.url'] });
  expect(decideBundle(both, { workflowChanges: true, submoduleChanges: true }).kind).toBe('publish');
  expect(decideBundle(both, { workflowChanges: true, submoduleChanges: false })).toMatchObject({
    code: 'publish_refused_submodule',
  });
  expect(decideBundle(both, { workflowChanges: false, submoduleChanges: true })).toMatchObject({
    code: 'publish_refused_workflow',
  });
  expect(decideBundle(inside({ changedPaths: ['.github/CODEOWNERS', 'workflows/a.yml'] }), STRICT).kind).toBe(
    'publish',
  );
});

it('refuses whatever has any fault, whatever is allowed but for what that is about', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...FAULTS),
      fc.boolean(),
      fc.boolean(),
      ([, given, code], workflowChanges, submoduleChanges) => {
        const allowed =
          (workflowChanges && code.endsWith('workflow')) || (submoduleChanges && code.endsWith('submodule'));
        expect(decideBundle(given, { workflowChanges, submoduleChanges }).kind).toBe(allowed ? 'publish' : 'refuse');
      },
    ),
  );
});
