import type { Invalidation } from '@capstan/api';
import type { Id } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';

/** What a client should read again, and whom it concerns; null for everybody. */
export interface Stale {
  readonly workspaceId: Id | null;
  readonly invalidation: Invalidation;
}

type Payload = Readonly<Record<string, string | number | undefined>>;

/** What an event makes stale. An event that changes nothing which clients show makes nothing stale. */
export function staleAfter(event: EventDefinition, payload: unknown): Stale | null {
  const fields = payload as Payload;
  const of = (kind: Invalidation['kind'], idField: string): Stale => ({
    workspaceId: typeof fields['workspaceId'] === 'string' ? fields['workspaceId'] : null,
    invalidation: {
      kind,
      id: String(fields[idField]),
      version: typeof fields['version'] === 'number' ? fields['version'] : null,
      taskId: typeof fields['taskId'] === 'string' ? fields['taskId'] : null,
    },
  });
  switch (event.name) {
    case 'task.created':
    case 'task.changed':
    case 'task.requested':
    case 'task.answered':
    case 'effect.settled':
      return of('task', 'taskId');
    case 'run.changed':
    case 'run.finished':
      return of('run', 'runId');
    case 'pull_request.changed':
      return of('pull_request', 'pullRequestId');
    case 'pod.provision':
    case 'pod.changed':
      return of('pod', 'podId');
    case 'ticket_source.changed':
      return of('ticket_source', 'ticketSourceId');
    case 'repository.changed':
    case 'delivery.received':
      return of('repository', 'repositoryId');
    case 'workspace.changed':
      return of('workspace', 'workspaceId');
    case 'secret.changed':
    case 'credential.checked':
      return of('secret', 'secretId');
    case 'parked_row.changed':
    case 'parked_row.requested':
    case 'parked_row.answered':
      return of('parked_row', 'rowId');
    case 'agent.requested':
      return of('agent', 'requestId');
    case 'agent.changed':
      return of('agent', 'agent');
    case 'worker.changed':
      return of('worker', 'workerId');
    default:
      return null;
  }
}

/**
 * Passes the first of a burst on at once and the last of it when `windowMs` is over, per workspace, kind and id, so
 * that a busy run doesn't make every browser read again for each of its steps.
 */
export class Coalescer {
  private readonly open = new Map<string, { timer: NodeJS.Timeout; later: Stale | null }>();

  constructor(
    private readonly emit: (stale: Stale) => void,
    private readonly windowMs = 50,
  ) {}

  add(stale: Stale): void {
    const key = `${stale.workspaceId} ${stale.invalidation.kind} ${stale.invalidation.id}`;
    const window = this.open.get(key);
    if (window !== undefined) {
      window.later = newer(window.later, stale);
      return;
    }
    this.begin(key);
    this.emit(stale);
  }

  close(): void {
    for (const { timer } of this.open.values()) clearTimeout(timer);
    this.open.clear();
  }

  private begin(key: string): void {
    const timer = setTimeout(() => {
      const later = this.open.get(key)?.later ?? null;
      this.open.delete(key);
      if (later === null) return;
      this.begin(key);
      this.emit(later);
    }, this.windowMs);
    this.open.set(key, { timer, later: null });
  }
}

/** Events may come late: a lower version never hides a higher one. */
function newer(one: Stale | null, other: Stale): Stale {
  const version = Math.max(one?.invalidation.version ?? -1, other.invalidation.version ?? -1);
  return { ...other, invalidation: { ...other.invalidation, version: version < 0 ? null : version } };
}
