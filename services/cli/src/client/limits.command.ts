import { LimitsPatch, routes, type Repository } from '@capstan/api';
import { DEFAULT_LIMITS, UserError, type RunLimits } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { plain, type Terminal } from '../terminal.js';
import { gatewayOf, type GatewayClient } from './gateway-client.js';
import { answered } from './task-action.command.js';
import { taskArgument } from './task-words.js';

/** Options by the limit that they set. */
const OPTIONS = {
  maxRunMinutes: { name: 'max-run-minutes', value: 'N', help: 'minutes that one run may last' },
  maxCostUsd: { name: 'max-cost-usd', value: 'USD', help: 'what a task may cost over all its runs' },
  maxTurns: { name: 'max-turns', value: 'N', help: 'turns of the agent in one run' },
  stallMinutes: { name: 'stall-minutes', value: 'N', help: 'silence after which a run is shown as stalled' },
} as const satisfies Record<keyof RunLimits, unknown>;
const LIMITS = Object.keys(DEFAULT_LIMITS) as (keyof RunLimits)[];
/** Gives a task's own limit back to its repository. */
const OF_REPOSITORY = 'repository';

export const limitsCommand: Command = {
  name: 'limits',
  usage: 'limits TASK|OWNER/NAME [options]',
  summary: 'Show or change the limits of a task or of a repository.',
  details:
    'Without options they are shown. Of a task, the value `repository` gives a limit back to its repository. Cost counts at once, the others from the next run on.',
  options: Object.fromEntries(
    LIMITS.map((limit) => {
      const { name, value, help } = OPTIONS[limit];
      return [name, { type: 'string', value, help }] as const;
    }),
  ),
  arity: [1, 1],
  run: limits,
};

async function limits(context: CommandContext): Promise<ExitCode> {
  const change = changeOf(context.options);
  const gateway = gatewayOf(context.config);
  const [subject = ''] = context.args;
  return subject.includes('/')
    ? ofRepository(context, gateway, subject, change)
    : ofTask(context, gateway, taskArgument(context.args), change);
}

type Change = Partial<Record<keyof RunLimits, number | null>>;

/** @throws UsageError that names the option and what it takes */
function changeOf(options: CommandContext['options']): Change {
  const change: Change = {};
  for (const limit of LIMITS) {
    const given = options[OPTIONS[limit].name];
    if (typeof given !== 'string') continue;
    if (given === OF_REPOSITORY) {
      change[limit] = null;
      continue;
    }
    const parsed = LimitsPatch.safeParse({ [limit]: /^\d+(\.\d+)?$/.test(given) ? Number(given) : given });
    if (!parsed.success)
      throw new UsageError(
        `unsupported --${OPTIONS[limit].name} "${plain(given)}"; ${parsed.error.issues[0]!.message}`,
      );
    change[limit] = Number(given);
  }
  return change;
}

async function ofTask(
  context: CommandContext,
  gateway: GatewayClient,
  taskId: string,
  change: Change,
): Promise<ExitCode> {
  if (Object.keys(change).length > 0) {
    const request = await gateway.call(routes.setTaskLimits, { params: { taskId }, body: change });
    return answered(context, gateway, request);
  }
  const { limits, ownLimits, costUsd } = await gateway.call(routes.task, { params: { taskId } });
  context.terminal.json({ limits, ownLimits });
  show(context.terminal, limits, (limit) => (ownLimits[limit] === undefined ? "its repository's" : 'its own'));
  context.terminal.line(`It has cost $${Number(costUsd).toFixed(2)} so far.`);
  return EXIT.ok;
}

async function ofRepository(
  { terminal }: CommandContext,
  gateway: GatewayClient,
  fullName: string,
  change: Change,
): Promise<ExitCode> {
  const reset = LIMITS.find((limit) => change[limit] === null);
  if (reset !== undefined)
    throw new UsageError(`unsupported --${OPTIONS[reset].name} "${OF_REPOSITORY}"; expected a number for a repository`);
  const { items } = await gateway.call(routes.listRepositories);
  const found = items.find((each) => each.fullName.toLowerCase() === fullName.toLowerCase());
  if (found === undefined)
    throw new UserError(`no repository ${plain(fullName)} in this workspace`, {
      code: 'repository_not_found',
      status: 404,
      field: 'OWNER/NAME',
    });
  const repository: Repository =
    Object.keys(change).length === 0
      ? found
      : await gateway.call(routes.patchRepository, {
          params: { repositoryId: found.id },
          body: { version: found.version, limits: change },
        });
  terminal.json({ limits: repository.limits });
  show(terminal, repository.limits, () => '');
  return EXIT.ok;
}

function show(terminal: Terminal, values: RunLimits, whose: (limit: keyof RunLimits) => string): void {
  terminal.table(
    ['LIMIT', 'VALUE', ''],
    LIMITS.map((limit) => [OPTIONS[limit].name, `${values[limit]}`, whose(limit)]),
  );
}
