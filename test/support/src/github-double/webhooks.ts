import { createHmac, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { hookBody } from './bodies/hook.js';
import { repositoryBody } from './bodies/repository.js';
import { nodeId, userBody } from './bodies/user.js';
import type { DeliveryRecord, HookRecord, RepositoryRecord } from './model.js';
import { missingField, validationFailed } from './problem.js';
import type { WebhookEvent, World } from './world.js';

const RECEIVER_TIMEOUT_MS = 10_000;

export interface HookInput {
  readonly url?: string;
  readonly secret?: string;
  readonly contentType?: 'json' | 'form';
  readonly events?: readonly string[];
  readonly active?: boolean;
}

/** Sends webhooks: signed, each with its own GUID, once, without retries, as GitHub does. */
export class WebhookSender {
  private readonly stopping = new AbortController();
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly world: World,
    private readonly check: (event: string, action: string | null, payload: Record<string, unknown>) => Promise<void>,
  ) {
    world.deliver = (event) => this.send(event);
  }

  createHook(repository: RepositoryRecord, sender: string, input: HookInput): HookRecord {
    if (!input.url) throw missingField('Hook', 'config.url');
    const events = input.events?.length ? [...input.events] : ['push'];
    for (const other of repository.hooks.values()) {
      if (other.url === input.url && other.events.join() === events.join()) {
        throw validationFailed({ resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' });
      }
    }
    const now = this.world.now();
    const hook: HookRecord = {
      id: this.world.nextId(),
      url: input.url,
      secret: input.secret,
      contentType: input.contentType ?? 'form',
      events,
      active: input.active ?? true,
      createdAt: now,
      updatedAt: now,
      deliveries: [],
    };
    repository.hooks.set(hook.id, hook);
    const payload = {
      zen: 'Keep it logically awesome.',
      hook_id: hook.id,
      hook: hookBody(this.world, repository, hook),
    };
    if (hook.active) this.start(this.one(hook, { repository, event: 'ping', action: null, sender, payload }));
    return hook;
  }

  /** Sends a past delivery again: same GUID, same body, a new delivery record. */
  redeliver(repository: RepositoryRecord, hook: HookRecord, delivery: DeliveryRecord): void {
    this.start(
      this.post(repository, hook, {
        guid: delivery.guid,
        event: delivery.event,
        action: delivery.action,
        payload: delivery.payload,
        redelivery: true,
      }),
    );
  }

  /** Ends when no delivery is under way. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    this.stopping.abort();
    await this.settled();
  }

  private send(event: WebhookEvent): void {
    const interested = [...event.repository.hooks.values()].filter(
      (hook) => hook.active && (hook.events.includes('*') || hook.events.includes(event.event)),
    );
    for (const hook of interested) this.start(this.one(hook, event));
    for (const { id, app } of this.world.apps.listeners(event.repository, event.event)) {
      const installation = { id, node_id: nodeId('Installation', id) };
      this.start(this.one(app.hook!, { ...event, payload: { ...event.payload, installation } }));
    }
  }

  private start(work: Promise<void>): void {
    const entry = work.finally(() => this.underWay.delete(entry));
    this.underWay.add(entry);
  }

  private async one(hook: HookRecord, event: WebhookEvent): Promise<void> {
    const payload = {
      ...event.payload,
      repository: event.payload['repository'] ?? repositoryBody(this.world, event.repository),
      sender: userBody(this.world, event.sender),
    };
    // Frozen as text at once: state goes on changing while the delivery waits.
    const frozen = JSON.parse(JSON.stringify(payload)) as Record<string, unknown>;
    const fault = this.world.faults.forDelivery(event.event, event.action);
    await this.check(event.event, event.action, frozen);
    const late = fault?.delayWebhooksMs ?? 0;
    if (late !== 0) await this.pause(typeof late === 'function' ? late() : late);
    const delivery = {
      guid: randomUUID(),
      event: event.event,
      action: event.action,
      payload: frozen,
      redelivery: false,
      ...(fault?.dropWebhooks ? { dropped: true } : {}),
      ...(fault?.badSignature ? { badSignature: true } : {}),
    };
    await this.post(event.repository, hook, delivery);
    if (fault?.duplicateWebhooks) await this.post(event.repository, hook, delivery);
  }

  private async post(
    repository: RepositoryRecord,
    hook: HookRecord,
    delivery: Pick<DeliveryRecord, 'guid' | 'event' | 'action' | 'payload' | 'redelivery'> & {
      readonly dropped?: boolean;
      readonly badSignature?: boolean;
    },
  ): Promise<void> {
    const json = JSON.stringify(delivery.payload);
    const body = hook.contentType === 'json' ? json : new URLSearchParams({ payload: json }).toString();
    const secret = delivery.badSignature ? `${hook.secret ?? ''}-wrong` : hook.secret;
    const sign = (algorithm: 'sha1' | 'sha256'): string =>
      `${algorithm}=${createHmac(algorithm, secret ?? '')
        .update(body)
        .digest('hex')}`;
    const headers: Record<string, string> = {
      accept: '*/*',
      'content-type': hook.contentType === 'json' ? 'application/json' : 'application/x-www-form-urlencoded',
      'user-agent': 'GitHub-Hookshot/c0ffee1',
      'x-github-delivery': delivery.guid,
      'x-github-event': delivery.event,
      'x-github-hook-id': String(hook.id),
      'x-github-hook-installation-target-id': String(repository.id),
      'x-github-hook-installation-target-type': 'repository',
      ...(secret ? { 'x-hub-signature': sign('sha1'), 'x-hub-signature-256': sign('sha256') } : {}),
    };
    const begun = performance.now();
    const answer = delivery.dropped
      ? { status: 0, text: 'dropped' }
      : await postTo(hook.url, headers, body, this.stopping.signal);
    hook.deliveries.push({
      id: this.world.nextId(),
      guid: delivery.guid,
      event: delivery.event,
      action: delivery.action,
      deliveredAt: this.world.now(),
      redelivery: delivery.redelivery,
      durationSeconds: Math.round(performance.now() - begun) / 1000,
      status: statusWord(answer.status),
      statusCode: answer.status,
      requestHeaders: headers,
      payload: delivery.payload,
      responseBody: answer.text,
    });
    this.world.journal.push({
      kind: 'delivery',
      at: Date.now(),
      fullName: repository.fullName,
      event: delivery.event,
      action: delivery.action,
      guid: delivery.guid,
      url: hook.url,
      status: answer.status,
      dropped: delivery.dropped ?? false,
      redelivery: delivery.redelivery,
    });
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.stopping.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}

function statusWord(status: number): string {
  if (status === 0) return 'failed to connect to host';
  return status < 400 ? 'OK' : `Invalid HTTP Response: ${status}`;
}

/** Posts and never throws: an unreachable receiver is status 0. */
function postTo(
  url: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ status: 0, text: error.message });
    if (signal.aborted) return failed(new Error('the double is closing'));
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const options = { method: 'POST', headers, agent: false as const, signal, timeout: RECEIVER_TIMEOUT_MS };
    const outgoing = send(url, options, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => (text += chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: text.slice(0, 4096) }));
      incoming.on('error', failed);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')));
    outgoing.on('error', failed);
    outgoing.end(body);
  });
}
