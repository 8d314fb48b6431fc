import { routes, type Run, type TaskDetail, type TaskEvent } from '@capstan/api';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { clockOf, durationOf, plain, wordsOf, type Terminal } from '../terminal.js';
import { gatewayOf, type GatewayClient } from './gateway-client.js';
import { paintState, pullRequestWords, stateWords, taskArgument, whyWords } from './task-words.js';

export const traceCommand: Command = {
  name: 'trace',
  usage: 'trace TASK',
  summary: 'Show the life of a task as a tree, with times, causes and the trace id.',
  details: 'Each state with how long it lasted, and below it what happened meanwhile. Times are of this machine.',
  arity: [1, 1],
  run: trace,
};

async function trace({ config, terminal, args }: CommandContext): Promise<ExitCode> {
  const taskId = taskArgument(args);
  const gateway = gatewayOf(config);
  const task = await gateway.call(routes.task, { params: { taskId } });
  const events = await allEvents(gateway, taskId);
  terminal.json({ task, events });
  showTask(task, terminal);
  terminal.line();
  for (const phase of phasesOf(task, events)) showPhase(phase, task, terminal);
  return EXIT.ok;
}

/** A state that the task was in, and what happened while it was. */
interface Phase {
  readonly state: TaskDetail['state'];
  readonly from: TaskEvent;
  /** Undefined for the present state. */
  readonly untilMs: number | undefined;
  readonly leaves: readonly Leaf[];
}

interface Leaf {
  readonly atMs: number;
  readonly text: string;
  readonly traceId: string | null;
}

/** The events of a life in the order of time, cut where the state changed. */
export function phasesOf(task: Pick<TaskDetail, 'runs'>, events: readonly TaskEvent[]): Phase[] {
  const inOrder = [...events].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const turns = inOrder.filter(({ to }) => to !== null);
  return turns.map((from, index) => {
    const next = turns[index + 1];
    const within = (atMs: number) =>
      (index === 0 || atMs >= Date.parse(from.at)) && (next === undefined || atMs < Date.parse(next.at));
    const others = inOrder.filter(({ to, at }) => to === null && within(Date.parse(at))).map(leafOf);
    const launches = task.runs.flatMap(launchOf).filter(({ atMs }) => within(atMs));
    return {
      state: from.to!,
      from,
      untilMs: next === undefined ? undefined : Date.parse(next.at),
      leaves: [...others, ...launches].sort((a, b) => a.atMs - b.atMs),
    };
  });
}

function leafOf(event: TaskEvent): Leaf {
  const [cause, actor] = [plain(event.cause), plain(event.actor.name ?? event.actor.id)];
  return {
    atMs: Date.parse(event.at),
    text: cause.endsWith(actor) ? cause : `${cause} (${actor})`,
    traceId: event.traceId,
  };
}

function launchOf(run: Run): Leaf[] {
  if (run.launchedAt === null) return [];
  const text = `Run ${run.number} began: ${wordsOf(run.reason)}, ${plain(run.agent)}, slot ${run.slot}`;
  return [{ atMs: Date.parse(run.launchedAt), text, traceId: null }];
}

function showTask(task: TaskDetail, terminal: Terminal): void {
  terminal.wrapped(`${task.shortId}  ${plain(task.title)}`, 10, (line) => terminal.bold(line));
  const facts = [stateWords(task), plain(task.repository.fullName)];
  if (task.ticket !== null) facts.push(`ticket #${plain(task.ticket.key)}`);
  if (task.pullRequest !== null) facts.push(`pull request ${pullRequestWords(task)}`);
  facts.push(`$${Number(task.costUsd).toFixed(2)}`);
  terminal.wrapped(facts.join(' · '), 0);
  const why = whyWords(task);
  if (why !== undefined) terminal.wrapped(why, 0, (line) => terminal.yellow(line));
  if (task.pullRequest?.url != null) terminal.line(terminal.dim(plain(task.pullRequest.url)));
  terminal.line(terminal.dim(`trace ${task.traceId ?? 'none'}`));
}

function showPhase(phase: Phase, task: TaskDetail, terminal: Terminal): void {
  const startMs = Date.parse(phase.from.at);
  const lasted = durationOf((phase.untilMs ?? Date.now()) - startMs);
  const over = phase.untilMs !== undefined || ['completed', 'cancelled'].includes(phase.state);
  const time = over ? (phase.untilMs === undefined ? '' : lasted) : `${lasted} until now`;
  const state = paintState(terminal, phase.state, wordsOf(phase.state));
  terminal.line(`${terminal.dim(clockOf(phase.from.at))}  ${state}${time === '' ? '' : terminal.dim(`  ${time}`)}`);
  const leaves = [leafOf(phase.from), ...phase.leaves];
  leaves.forEach((leaf, index) => {
    const last = index === leaves.length - 1;
    const after = `+${durationOf(leaf.atMs - startMs)}`.padStart(8);
    const foreign = leaf.traceId !== null && leaf.traceId !== task.traceId ? ` · trace ${leaf.traceId}` : '';
    const lead = `${' '.repeat(10)}${last ? '└─' : '├─'} ${index === 0 ? '' : `${after}  `}`;
    terminal.wrapped(`${lead}${leaf.text}${foreign}`, index === 0 ? 13 : 23);
  });
}

async function allEvents(gateway: GatewayClient, taskId: string): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  let cursor: string | undefined;
  do {
    const page = await gateway.call(routes.taskEvents, { params: { taskId }, query: { cursor, limit: 200 } });
    events.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return events;
}
