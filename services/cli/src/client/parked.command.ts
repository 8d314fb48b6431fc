import { routes, type ParkedRequest, type ParkedRow } from '@capstan/api';
import { PARKED_KINDS, UserError, type ParkedAction, type ParkedKind } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { ageOf, plain, shorten, type Terminal } from '../terminal.js';
import { gatewayOf, type GatewayClient } from './gateway-client.js';

/** How long the answer of a row's owner is waited for when the gateway has not got it at once. ms */
const ANSWER_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 300;
/** Rows of one page at most. */
const MOST_ROWS = 200;
const ID = /^([0-9a-f]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

const REASON = { type: 'string', value: 'TEXT', help: 'kept in the history' } as const;
const WHICH =
  'KIND/ID is what "capstan get parked" shows, e.g. run/4b7a23d2; ID alone will do as long as it is parked.';

export const replayCommand: Command = {
  name: 'replay',
  usage: 'replay KIND/ID | --all',
  summary: 'Have something that was parked tried again from the start, at once.',
  details: `${WHICH}\nDoing it twice does no harm.`,
  options: {
    all: { type: 'boolean', help: 'everything that is parked' },
    kind: { type: 'string', value: 'KIND', help: 'with --all: this kind only' },
    reason: REASON,
  },
  arity: [0, 1],
  run: (context) => (context.options['all'] === true ? replayAll(context) : act(context, 'replay')),
};

export const dropCommand: Command = {
  name: 'drop',
  usage: 'drop KIND/ID [--reason TEXT]',
  summary: 'Decide that something that was parked is not to be done.',
  details: `${WHICH}\nWhat that comes to is said by "capstan get parked --kind KIND". Where something would be lost it is refused (exit code 5), with what to do instead. Doing it twice does no harm.`,
  options: { reason: REASON },
  arity: [1, 1],
  run: (context) => act(context, 'drop'),
};

/** `capstan get parked`. */
export async function getParked(
  { config, terminal, options }: CommandContext,
  limit: string | undefined,
): Promise<void> {
  const kind = kindOption(options['kind']);
  const page = await gatewayOf(config).call(routes.listParked, { query: { limit, kind } });
  terminal.json(page);
  showParked(page.items, terminal, kind !== undefined);
  if (page.next !== null) terminal.line(terminal.dim('There are more: --limit N, --kind KIND.'));
}

function showParked(rows: readonly ParkedRow[], terminal: Terminal, explain: boolean): void {
  if (rows.length === 0) return terminal.line('Nothing is parked.');
  terminal.table(
    ['PARKED', 'WHAT', 'REPOSITORY', 'TASK', 'TRIES', 'SINCE'],
    rows.map((row) => [
      `${row.kind}/${row.shortId}`,
      shorten(plain(row.subject), 60),
      plain(row.repository?.fullName ?? ''),
      row.task?.shortId ?? '',
      String(row.attempts),
      ageOf(row.parkedAt, Date.now()),
    ]),
    { shrink: [1, 2] },
  );
  terminal.line();
  for (const row of rows) {
    const { title, detail, remedy } = row.lastError;
    const facts = [title, detail.split('\n')[0]].filter(Boolean).map((fact) => fact!.replace(/\.$/, ''));
    const sentence = [facts.join(' · '), remedy].filter(Boolean).join('. ');
    terminal.wrapped(`${row.shortId}  ${plain(sentence)}`, 10, (line) => terminal.yellow(line));
    if (row.holds !== null)
      terminal.wrapped(`          It holds: ${plain(row.holds)}`, 10, (line) => terminal.dim(line));
    if (row.asked !== null) terminal.line(terminal.dim(`          Asked already: ${row.asked}`));
  }
  terminal.line();
  if (explain) terminal.wrapped(`Dropped: ${rows[0]!.dropMeans}`, 9, (line) => terminal.dim(line));
  terminal.line(terminal.dim('capstan replay KIND/ID tries it again; capstan drop KIND/ID gives it up.'));
}

async function act(context: CommandContext, action: ParkedAction): Promise<ExitCode> {
  const { config, terminal, args, options } = context;
  if (options['kind'] !== undefined) throw new UsageError('--kind goes with --all; else write KIND/ID');
  const named = rowArgument(args);
  const gateway = gatewayOf(config);
  const params = named.kind === undefined ? await findRow(gateway, named.id) : { kind: named.kind, rowId: named.id };
  const route = action === 'replay' ? routes.replayParked : routes.dropParked;
  const reason = options['reason'];
  let request: ParkedRequest = await gateway.call(route, {
    params,
    body: typeof reason === 'string' ? { reason } : {},
  });
  const end = performance.now() + ANSWER_WITHIN_MS;
  while (request.answer === null && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    request = await gateway.call(routes.parkedRequest, { params: { requestId: request.id } });
  }
  terminal.json(request);
  if (request.answer === null) {
    terminal.line('Asked; there is no answer yet. The request stands.');
    return EXIT.ok;
  }
  const { applied, code, detail, remedy } = request.answer;
  if (!applied && code !== 'not_parked')
    throw new UserError(detail, { code, status: 409, ...(remedy === undefined ? {} : { remedy }) });
  terminal.line(detail);
  return EXIT.ok;
}

async function replayAll({ config, terminal, args, options }: CommandContext): Promise<ExitCode> {
  if (args.length > 0) throw new UsageError(`--all goes without "${plain(args[0]!)}"`);
  const kind = kindOption(options['kind']);
  const answer = await gatewayOf(config).call(routes.replayAllParked, { body: kind === undefined ? {} : { kind } });
  terminal.json(answer);
  const { requested } = answer;
  terminal.line(
    requested === 0 ? 'Nothing is parked.' : `Asked for ${requested === 1 ? 'one replay' : `${requested} replays`}.`,
  );
  return EXIT.ok;
}

/** The kind of a row that is named by its short id alone. @throws UserError 404, 409 when two rows have it */
async function findRow(gateway: GatewayClient, id: string): Promise<{ kind: ParkedKind; rowId: string }> {
  const found: ParkedRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await gateway.call(routes.listParked, { query: { limit: MOST_ROWS, cursor } });
    found.push(...page.items.filter((row) => row.id === id || row.shortId === id));
    if (page.next === null) break;
    cursor = page.next;
  }
  const [row] = found;
  if (row === undefined)
    throw new UserError(`nothing that is parked has the id ${id}`, {
      code: 'parked_row_not_found',
      status: 404,
      remedy: 'See what is parked: capstan get parked.',
    });
  if (found.length > 1)
    throw new UserError(`${id} is the short id of more than one parked row`, {
      code: 'short_id_ambiguous',
      status: 409,
      remedy: `Name its kind, too: ${found.map(({ kind, shortId }) => `${kind}/${shortId}`).join(' or ')}.`,
    });
  return { kind: row.kind, rowId: row.id };
}

/** The KIND/ID of a command, or the ID. @throws UsageError */
function rowArgument(args: readonly string[]): { readonly kind: ParkedKind | undefined; readonly id: string } {
  const given = args[0];
  if (given === undefined) throw new UsageError('something is missing');
  const [first, second] = given.split('/');
  const id = (second ?? first ?? '').replace(/^#/, '').toLowerCase();
  if (!ID.test(id))
    throw new UsageError(`"${plain(given)}" is no parked row; expected KIND/ID like run/4b7a23d2 (capstan get parked)`);
  return { kind: second === undefined ? undefined : kindOption(first), id };
}

/** A kind, also in words (`pull request`). @throws UsageError */
function kindOption(value: string | boolean | undefined): ParkedKind | undefined {
  if (typeof value !== 'string') return undefined;
  const kind = PARKED_KINDS.find((each) => each === value.trim().replaceAll(/[ -]/g, '_'));
  if (kind !== undefined) return kind;
  const kinds = PARKED_KINDS.join(', ');
  throw new UsageError(`unsupported kind "${plain(value)}"; expected one of ${kinds}`);
}
