import { KINDS } from '../../workload/kinds.js';
import { grouped, violation, type Violation } from '../violation.js';
import type { TaskRow, WantedTask, World } from '../world.js';

const LAW = 'each wanted task is there once, and in its right end state';

export function endStates({ wanted, database }: World): Violation[] {
  const byTitle = grouped(database.tasks, ({ title }) => title);
  const names = new Set(wanted.map(({ name }) => name));
  const strangers = database.tasks.filter(({ title }) => !names.has(title));
  return [
    ...strangers.map((task) => violation(LAW, `nobody asked for task ${task.id} "${task.title}"`, task)),
    ...wanted.flatMap((each) => judge(each, byTitle.get(each.name) ?? [])),
  ];
}

function judge(wanted: WantedTask, found: readonly TaskRow[]): Violation[] {
  const { name, kind, ticket, postedId, fullName } = wanted;
  const task = found[0];
  if (task === undefined) return [violation(LAW, `${name} never became a task`, wanted)];
  if (found.length > 1)
    return [
      violation(
        LAW,
        `${name} became ${found.length} tasks`,
        found.map(({ id }) => id),
      ),
    ];
  const right = KINDS[kind];
  const faults: string[] = [];
  if (task.state !== right.state) faults.push(`is ${task.state}, not ${right.state}`);
  if (task.attention !== right.attention) faults.push(`says ${task.attention}, not ${right.attention}`);
  if (task.fullName !== fullName) faults.push(`belongs to ${task.fullName}, not ${fullName}`);
  if (task.ticketKey !== (ticket === null ? null : String(ticket))) faults.push(`is of ticket ${task.ticketKey}`);
  if (postedId !== null && task.id !== postedId) faults.push(`is not the one that was answered, ${postedId}`);
  if (task.generation !== 1) faults.push(`was started over (generation ${task.generation})`);
  if (task.intent !== null) faults.push(`is still to ${task.intent}`);
  return faults.map((fault) => violation(LAW, `${name} ${fault}`, task));
}
