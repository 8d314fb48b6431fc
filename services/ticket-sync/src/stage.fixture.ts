import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, TicketSource, migrate, newId, type Repository, type Task, type Ticket } from '@capstan/database';
import type { TaskState } from '@capstan/domain';
import { Loops, Metrics, Vault, openLogger } from '@capstan/service-kit';
import {
  aRepository,
  startGitHubDouble,
  testDatabase,
  type GitHubDouble,
  type TestDatabase,
} from '@capstan/test-support';
import { TicketSync } from './ticket-sync.js';

export const NAME = 'acme/app';

/** A tracker, a database, and ticket-sync replicas between them. */
export class Stage {
  private readonly replicas: { readonly sync: TicketSync; readonly loops: Loops }[] = [];

  private constructor(
    private readonly directory: string,
    readonly tracker: GitHubDouble,
    readonly database: Database,
    readonly vault: Vault,
    readonly repository: Repository,
    readonly sourceId: string,
    private readonly testDatabase: TestDatabase,
  ) {}

  static async open(): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'ticket-sync-'));
    const tracker = await startGitHubDouble({ dir: join(directory, 'forge') });
    const { cloneUrl } = await tracker.createRepository(NAME, { files: { 'README.md': '# App\n' } });
    const made = await testDatabase({ migrate });
    const database = await Database.open({ url: made.url });
    const vault = new Vault(database, randomBytes(32).toString('base64'));
    const repository = await aRepository(database, { fullName: NAME, apiUrl: tracker.apiUrl, cloneUrl });
    const { workspaceId, id: repositoryId } = repository;
    const sourceId = newId();
    const names = { kind: 'github-issues', project: NAME, label: 'capstan', credentialSecret: 'GITHUB_TOKEN' };
    await database.transaction(async (tx) => {
      await vault.put(
        tx,
        { workspaceId, repositoryId, name: 'GITHUB_TOKEN' },
        tracker.createToken({ login: 'capstan-bot' }),
      );
      await tx.insert(TicketSource, { id: sourceId, workspaceId, repositoryId, apiUrl: tracker.apiUrl, ...names });
    });
    return new Stage(directory, tracker, database, vault, repository, sourceId, made);
  }

  startReplica(): void {
    const logger = openLogger({ format: 'text', level: 'silent' });
    const loops = new Loops(logger);
    const { database, vault } = this;
    const owner = `ticket-sync-${this.replicas.length}`;
    const metrics = new Metrics();
    const sync = new TicketSync({ database, vault, logger, loops, metrics, owner, intervalMs: 1_000 });
    this.replicas.push({ sync, loops });
  }

  /** What people may ask of the first replica's parked rows. */
  get parked(): TicketSync['parked'] {
    return this.replicas[0]!.sync.parked;
  }

  wake(): void {
    for (const { sync } of this.replicas) {
      sync.wakeImport();
      sync.wakeReport();
      sync.wakeEffects();
    }
  }

  /** Polls now, as a delivery asks for; effects do not wait for their second try. */
  async nudge(): Promise<void> {
    await this.database.query('update ticket_source set next_poll_at = now()');
    await this.database.query(
      `update effect set not_before = null where state = 'requested' and not_before is not null`,
    );
    this.wake();
  }

  source(): Promise<TicketSource> {
    return this.database.query<TicketSource>('select * from ticket_source').then(([row]) => row!);
  }
  tickets(): Promise<Ticket[]> {
    return this.database.query<Ticket>('select * from ticket order by imported_at, key');
  }
  tasks(): Promise<Task[]> {
    return this.database.query<Task>('select * from task order by created_at');
  }

  /** Stands in for the scheduler, which alone moves tasks; a spec's world may begin anywhere. */
  async moveTask(state: TaskState, attention: { code: string; detail: string } | null = null): Promise<void> {
    await this.database.transaction(async (tx) => {
      await tx.query('alter table task disable trigger task_state_guard');
      await tx.query('update task set state = $1, attention = $2', [state, attention]);
      await tx.query('alter table task enable trigger task_state_guard');
    });
  }

  /** Bodies of the comments that reached the tracker, in order. */
  comments(): readonly string[] {
    return this.tracker.journal.flatMap((entry) =>
      entry.kind === 'request' &&
      entry.method === 'POST' &&
      entry.path.endsWith('/comments') &&
      (entry.status === 201 || entry.status === 0)
        ? [(entry.body as { body: string }).body]
        : [],
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map(({ sync }) => sync.close()));
    await Promise.all(this.replicas.map(({ loops }) => loops.close()));
    await this.tracker.close();
    await this.database.close();
    await this.testDatabase.close();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
