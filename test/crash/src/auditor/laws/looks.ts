import type { JournalEntry } from '@capstan/test-support';
import { grouped, violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

export const LOOKS = 'nothing is tried again at the forge before somebody looked';

type Request = Extract<JournalEntry, { kind: 'request' }>;

interface Write {
  readonly at: number;
  /** The same for two tries of one effect. */
  readonly identity: string;
  readonly request: Request;
  /** What shows whether an earlier try was done. */
  readonly looks: (request: Request) => boolean;
}

const BOT = 'capstan-bot';
const MARKER = /<!-- capstan:effect:([0-9a-f-]{36}) -->\s*$/;

/**
 * Between two tries of one comment, one pull request or one merge the bot has asked what the first came to, whatever
 * the forge answered then: an answer may be lost on its way. In the order in which requests came in: a forge that takes
 * longer over the first than an effect's deadline can be asked, and looked at, in vain.
 */
export function looks({ journal, forge }: World): Violation[] {
  const requests = journal
    .filter((entry): entry is Request => entry.kind === 'request' && entry.login === BOT)
    .sort((one, other) => one.receivedAt - other.receivedAt);
  const writes = requests.flatMap((request, at) => writeOf(request, at, forge) ?? []);
  return [...grouped(writes, ({ identity }) => identity).values()].flatMap((tries) =>
    tries.slice(1).flatMap((next, index) => {
      const before = tries[index]!;
      if (requests.slice(before.at + 1, next.at).some((request) => request.method === 'GET' && next.looks(request)))
        return [];
      const { method, path } = next.request;
      return [violation(LOOKS, `${method} ${path} was tried again unlooked`, [before.request, next.request])];
    }),
  );
}

function writeOf(request: Request, at: number, forge: World['forge']): Write | null {
  const { method, path, body } = request;
  const fields = (body ?? {}) as Readonly<Record<string, unknown>>;
  const plain = path.split('?')[0]!;
  if (method === 'POST' && /\/issues\/\d+\/comments$/.test(plain)) {
    const effect = MARKER.exec(String(fields['body'] ?? ''))?.[1];
    if (effect === undefined) return null;
    return { at, identity: `comment ${effect}`, request, looks: ({ path: read }) => read.split('?')[0] === plain };
  }
  if (method === 'POST' && plain.endsWith('/pulls')) {
    const head = String(fields['head'] ?? '');
    // A branch against itself never becomes one: so a token is asked whether it may.
    if (head === fields['base']) return null;
    const looks = ({ path: read }: Request): boolean =>
      read.startsWith(`${plain}?`) && decodeURIComponent(read).includes(head);
    return { at, identity: `${plain} ${head}`, request, looks };
  }
  const pull = method === 'PUT' ? /^(.*\/pulls\/\d+)\/merge$/.exec(plain)?.[1] : undefined;
  if (pull === undefined) return null;
  const identity = `${plain} ${String(fields['sha'] ?? '')}`;
  const branch = forge
    .flatMap(({ fullName, pulls }) =>
      pulls.map((each) => ({ ...each, path: `/repos/${fullName}/pulls/${each.number}` })),
    )
    .find(({ path }) => path === pull)?.branch;
  const list = `${pull.slice(0, pull.lastIndexOf('/'))}?`;
  const looks = ({ path: read }: Request): boolean =>
    read.split('?')[0] === pull ||
    (branch !== undefined && read.startsWith(list) && decodeURIComponent(read).includes(`:${branch}`));
  return { at, identity, request, looks };
}
