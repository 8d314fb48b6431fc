import type { SymptomCode } from '@capstan/domain';

/** What Capstan publishes at most. */
export const BUNDLE_LIMITS = {
  /** Bytes of the bundle as the pod sends it. */
  bundleBytes: 50 * 1_048_576,
  /** Bytes of one file. */
  fileBytes: 20 * 1_048_576,
  /** Files that differ from the base. */
  files: 5_000,
  /** Bytes of everything new, unpacked. */
  unpackedBytes: 500 * 1_048_576,
} as const;

/** What is inside the bundle, read after git itself has checked and taken it. */
export interface BundleContents {
  readonly head: string;
  /** The base is part of what the forge has. */
  readonly baseIsPublished: boolean;
  readonly baseIsAncestor: boolean;
  /** Paths that differ between the base branch and the head. */
  readonly changedPaths: readonly string[];
  readonly largestFileBytes: number;
  readonly unpackedBytes: number;
  /** Addresses of submodules that were added, changed or removed. */
  readonly submoduleChanges: readonly string[];
  /** Names of the secrets whose values are somewhere in the new objects. */
  readonly secrets: readonly string[];
}

/** Everything that is known of a bundle; what was not looked at is null. */
export interface BundleFacts {
  readonly bytes: number;
  readonly refs: readonly { readonly name: string; readonly sha: string }[] | null;
  /** The ref and commit that the run was judged by. */
  readonly expected: { readonly ref: string; readonly head: string };
  /** Why git would not take it; null when it did. */
  readonly rejected: string | null;
  readonly contents: BundleContents | null;
}

export interface BundleAllowances {
  readonly workflowChanges: boolean;
  readonly submoduleChanges: boolean;
}

export type BundleVerdict =
  | { readonly kind: 'publish'; readonly head: string }
  | { readonly kind: 'refuse'; readonly code: SymptomCode; readonly detail: string };

/** May the work be published? Nothing that could not be read ever is. */
export function decideBundle(facts: BundleFacts, allow: BundleAllowances): BundleVerdict {
  if (facts.bytes > BUNDLE_LIMITS.bundleBytes)
    return refuse(
      'publish_refused_size',
      `The commits are ${megabytes(facts.bytes)} packed; at most ${megabytes(BUNDLE_LIMITS.bundleBytes)} are published.`,
    );
  if (facts.rejected !== null) return refuse('publish_refused_history', `git refused the commits: ${facts.rejected}`);
  const refs = facts.refs ?? [];
  if (refs.length !== 1 || refs[0]!.name !== facts.expected.ref)
    return refuse(
      'publish_refused_history',
      `Exactly ${facts.expected.ref} was expected, but the pod sent ${refs.map(({ name }) => name).join(', ') || 'no branch'}.`,
    );
  if (facts.contents === null) return refuse('publish_refused_history', 'The commits could not be read.');
  return decideContents(facts.contents, facts.expected.head, allow);
}

function decideContents(contents: BundleContents, expectedHead: string, allow: BundleAllowances): BundleVerdict {
  if (contents.head !== expectedHead)
    return refuse(
      'publish_refused_history',
      `The branch is at ${contents.head}, but the run was judged by ${expectedHead}.`,
    );
  if (!contents.baseIsPublished || !contents.baseIsAncestor)
    return refuse(
      'publish_refused_history',
      'The commits do not start at a commit of the base branch: the history was rewritten.',
    );
  const size = sizeFault(contents);
  if (size !== null) return refuse('publish_refused_size', size);
  if (contents.secrets.length > 0)
    return refuse('publish_refused_secret', `The work holds the value of ${contents.secrets.join(', ')}.`);
  const workflows = contents.changedPaths.filter(isWorkflow);
  if (workflows.length > 0 && !allow.workflowChanges)
    return refuse('publish_refused_workflow', `Changed: ${list(workflows)}.`);
  if (contents.submoduleChanges.length > 0 && !allow.submoduleChanges)
    return refuse('publish_refused_submodule', `Changed: ${list(contents.submoduleChanges)}.`);
  return { kind: 'publish', head: contents.head };
}

function sizeFault({ changedPaths, largestFileBytes, unpackedBytes }: BundleContents): string | null {
  if (changedPaths.length > BUNDLE_LIMITS.files)
    return `${changedPaths.length} files differ from the base; at most ${BUNDLE_LIMITS.files} are published.`;
  if (largestFileBytes > BUNDLE_LIMITS.fileBytes)
    return `A file is ${megabytes(largestFileBytes)}; at most ${megabytes(BUNDLE_LIMITS.fileBytes)} are published.`;
  if (unpackedBytes > BUNDLE_LIMITS.unpackedBytes)
    return `The commits are ${megabytes(unpackedBytes)} unpacked; at most ${megabytes(BUNDLE_LIMITS.unpackedBytes)} are published.`;
  return null;
}

/** Also what would take the directory's place. */
function isWorkflow(path: string): boolean {
  const lower = path.toLowerCase();
  return lower === '.github' || lower === '.github/workflows' || lower.startsWith('.github/workflows/');
}

function list(names: readonly string[]): string {
  const more = names.length - 10;
  return `${names.slice(0, 10).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function refuse(code: SymptomCode, detail: string): BundleVerdict {
  return { kind: 'refuse', code, detail };
}
