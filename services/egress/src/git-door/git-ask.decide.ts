import type { Refusal } from '../server/refusal.js';

/** Something of git that the door knows how to answer. */
export interface GitAsk {
  readonly kind: 'refs' | 'objects' | 'lfs-batch' | 'lfs-object';
  /** Of the repository at its forge, as it was asked for: `acme/anvil.git`. */
  readonly path: string;
  /** Of an object of LFS: what its batch answered for it. */
  readonly ticket?: string;
}

/** What is known of the repository of a run. */
export interface OwnRepository {
  readonly cloneUrl: string;
  /** Whether agents may read what else its owner has, as submodules need. */
  readonly allowSubmoduleFetch: boolean;
}

/** A path of plain segments, so that none leads up and none hides another. */
const PATH = String.raw`((?:[A-Za-z0-9_~][A-Za-z0-9._~-]*/)*[A-Za-z0-9_~][A-Za-z0-9._~-]*?)`;
const REFS = new RegExp(`^/git/${PATH}/info/refs$`);
const OBJECTS = new RegExp(`^/git/${PATH}/git-upload-pack$`);
const BATCH = new RegExp(`^/git/${PATH}/info/lfs/objects/batch$`);
const LFS_OBJECT = new RegExp(`^/git/${PATH}/info/lfs/objects/[0-9a-f]{64}$`);
const PUSH = new RegExp(`^/git/${PATH}/git-receive-pack$`);

/** Reads a request; everything that isn't a fetch is refused, and why. */
export function decideAsk(method: string, url: string): GitAsk | Refusal {
  const [address = '', query = ''] = url.split('?');
  const parameters = new URLSearchParams(query);
  const service = parameters.get('service');
  const refs = REFS.exec(address)?.[1];
  if (PUSH.test(address) || (refs !== undefined && service === 'git-receive-pack')) return NO_PUSH;
  if (refs !== undefined && method === 'GET' && service === 'git-upload-pack') return { kind: 'refs', path: refs };
  const objects = OBJECTS.exec(address)?.[1];
  if (objects !== undefined && method === 'POST') return { kind: 'objects', path: objects };
  const batch = BATCH.exec(address)?.[1];
  if (batch !== undefined && method === 'POST') return { kind: 'lfs-batch', path: batch };
  const object = LFS_OBJECT.exec(address)?.[1];
  const ticket = parameters.get('ticket');
  if (object !== undefined && method === 'GET' && ticket !== null) return { kind: 'lfs-object', path: object, ticket };
  return NOT_GIT;
}

/** The address of the asked repository at the forge, without a slash at its end; or why it isn't to be read. */
export function decideRepository(path: string, own: OwnRepository): URL | Refusal {
  const clone = new URL(own.cloneUrl);
  if (named(path) === named(clone.pathname)) return clone;
  const owner = ownerOf(clone.pathname);
  if (owner === '' || ownerOf(path) !== owner) return ANOTHER;
  return own.allowSubmoduleFetch ? new URL(`/${path}`, clone.origin) : SUBMODULES_OFF;
}

/** One spelling of one repository: forges read names in either case, with and without `.git`. */
function named(path: string): string {
  return path
    .replace(/^\/|\/$/g, '')
    .replace(/\.git$/i, '')
    .toLowerCase();
}

function ownerOf(path: string): string {
  return named(path).split('/').slice(0, -1).join('/');
}

const NO_PUSH: Refusal = {
  reason: 'git_blocked',
  status: 403,
  words: 'nothing is pushed from here. Commit, and end: Capstan publishes the branch of the task.',
};
const NOT_GIT: Refusal = {
  reason: 'not_understood',
  status: 404,
  words: 'the git door answers fetches over smart HTTP (git-upload-pack) and downloads of LFS, and nothing else.',
};
const ANOTHER: Refusal = {
  reason: 'git_blocked',
  status: 403,
  words: 'that is not the repository of this run. A run reads its own repository alone.',
};
const SUBMODULES_OFF: Refusal = {
  reason: 'git_blocked',
  status: 403,
  words:
    'that is another repository of the same owner. It can be read as a submodule once the repository allows it (allowSubmoduleFetch).',
};
