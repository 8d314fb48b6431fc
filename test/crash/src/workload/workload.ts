import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Task } from '@capstan/api';
import { ROOT, runRepositoryChecks, type RepositoryChecks } from '@capstan/test-support';
import { HostileCare } from '../faults/hostile-agents.js';
import { LABEL, type Stage } from '../stage/stage.js';
import { readTruth } from './truth.js';
import type { PlannedTask } from './plan.js';

export const REPOSITORIES = ['acme/anvil', 'acme/bellows', 'acme/crane'] as const;

/** Fails while a file in work/ says RED. */
const FILES: Readonly<Record<string, string>> = {
  'README.md': '# A repository of the crash suite\n',
  'test.sh': 'if [ -d work ] && grep -rl RED work; then exit 1; fi\n',
};

/** Where the agents write their truth, and where gates are. */
export function truthDirOf(stage: Stage): string {
  return join(stage.dataDir, 'truth');
}

/** Three repositories with their CI; what arrives, and what people do meanwhile. */
export class Workload {
  /** Number of the ticket, or id of the task, by name. */
  readonly tickets = new Map<string, number>();
  readonly posted = new Map<string, string>();
  private readonly ids = new Map<string, string>();
  private readonly conflicts = new Set<string>();
  private checks!: RepositoryChecks;
  private readonly hostile: HostileCare;

  constructor(
    private readonly stage: Stage,
    readonly tasks: readonly PlannedTask[],
  ) {
    this.hostile = new HostileCare(stage, tasks, truthDirOf(stage));
  }

  async setUp(): Promise<void> {
    const { stage } = this;
    const truth = truthDirOf(stage);
    for (const name of ['runs', 'gates']) mkdirSync(join(truth, name), { recursive: true });
    this.checks = runRepositoryChecks(stage.double, { command: ['sh', 'test.sh'], checkName: 'test' });
    for (const fullName of REPOSITORIES) {
      const { id } = await stage.addRepository(fullName, FILES, {
        agent: {
          agent: 'command',
          argv: [process.execPath, join(ROOT, 'test/crash/agent/crash-agent.mjs'), truth],
          output: 'ndjson',
        },
        ...{ autoMerge: true, maxConcurrentTasks: 5, maxAgentsPerPod: 5 },
      });
      this.ids.set(fullName, id);
      stage.double.branchRules(fullName, 'main', { requiredChecks: ['test'] });
    }
  }

  /** Lets every task arrive at its time; resolves when the last one was taken. */
  async arrive(): Promise<void> {
    const began = performance.now();
    await Promise.all(
      this.tasks.map(async (task) => {
        await pause(Math.max(0, task.arrivesAtMs - (performance.now() - began)));
        await (task.via === 'ticket' ? this.file(task) : this.post(task));
      }),
    );
  }

  /**
   * What people do to tasks whose agents wait for it: pushes the same file to the base branch, then lets the agent go on.
   * To be called again and again.
   */
  async meddle(): Promise<void> {
    await this.hostile.look();
    const waiting = this.tasks.filter(({ kind, name }) => kind === 'conflict' && !this.conflicts.has(name));
    if (waiting.length === 0) return;
    const started = new Set(readTruth(truthDirOf(this.stage)).map(({ name }) => name));
    for (const { name, fullName } of waiting.filter((task) => started.has(task.name))) {
      this.conflicts.add(name);
      const text = `somebody was here before ${name}\n`;
      await this.stage.double.actingAs('ann').pushFile(fullName, 'main', `work/${name}.txt`, text);
      writeFileSync(join(truthDirOf(this.stage), 'gates', name), '');
    }
  }

  /** Pushes to base branches that were no merges, by repository. */
  pushesOfPeople(fullName: string): number {
    return this.tasks.filter((task) => task.fullName === fullName && this.conflicts.has(task.name)).length;
  }

  async close(): Promise<void> {
    for (const { name } of this.tasks) {
      const gate = join(truthDirOf(this.stage), 'gates', name);
      if (!existsSync(gate)) writeFileSync(gate, '');
    }
    await this.checks.close();
  }

  private async file(task: PlannedTask): Promise<void> {
    const { name, fullName } = task;
    const issue = { title: name, body: bodyOf(task), labels: [LABEL], author: 'ada' };
    this.tickets.set(name, await this.stage.double.createIssue(fullName, issue));
  }

  /** As a careful client does: the same key until there is an answer. */
  private async post(task: PlannedTask): Promise<void> {
    const body = { repositoryId: this.ids.get(task.fullName), title: task.name, body: bodyOf(task) };
    for (;;) {
      const answer = await this.stage.call<Task>('POST', '/api/tasks', body, { 'idempotency-key': task.name }, 15_000);
      const { status, headers } = answer;
      if (status === 200 || status === 201) return void this.posted.set(task.name, answer.body.id);
      if (status === 503 && headers.get('retry-after') === null)
        this.complain(task, status, 'a 503 without Retry-After');
      if (status !== 0 && status !== 503) this.complain(task, status, JSON.stringify(answer.body).slice(0, 300));
      if (status >= 400 && status < 500) return;
      await pause(300);
    }
  }

  private complain({ name }: PlannedTask, status: number, why: string): void {
    this.stage.complain(`POST /api/tasks for ${name} answered ${status}: ${why}`);
  }
}

function bodyOf({ script }: PlannedTask): string {
  return `Do what the script says.\n\nscript: ${JSON.stringify(script)}\n`;
}
