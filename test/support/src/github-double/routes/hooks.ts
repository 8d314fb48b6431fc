import { deliveryBody, deliveryItemBody, hookBody } from '../bodies/hook.js';
import type { DeliveryRecord, HookRecord, RepositoryRecord } from '../model.js';
import type { HookInput } from '../webhooks.js';
import { notFound } from '../problem.js';
import { created, noContent, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';

const HOOKS = '/repos/{owner}/{repo}/hooks';
const HOOK = `${HOOKS}/{hook_id}`;
const DELIVERY = `${HOOK}/deliveries/{delivery_id}`;

export const hookRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: HOOKS,
    handle: (call) => {
      const repository = call.writable();
      return call.page([...repository.hooks.values()], (hook) => hookBody(call.world, repository, hook));
    },
  },
  { method: 'POST', template: HOOKS, handle: createHook },
  { method: 'GET', template: HOOK, handle: (call) => one(call, call.writable()) },
  { method: 'PATCH', template: HOOK, handle: patchHook },
  {
    method: 'DELETE',
    template: HOOK,
    handle: (call) => {
      const repository = call.writable();
      repository.hooks.delete(hookOf(call, repository).id);
      return noContent();
    },
  },
  {
    method: 'GET',
    template: `${HOOK}/deliveries`,
    handle: (call) => {
      const repository = call.writable();
      const newestFirst = [...hookOf(call, repository).deliveries].reverse();
      return call.page(newestFirst, (delivery) => deliveryItemBody(repository, delivery));
    },
  },
  {
    method: 'GET',
    template: DELIVERY,
    handle: (call) => {
      const repository = call.writable();
      const hook = hookOf(call, repository);
      return ok(deliveryBody(repository, hook, deliveryOf(call, hook)));
    },
  },
  {
    method: 'POST',
    template: `${DELIVERY}/attempts`,
    handle: (call) => {
      const repository = call.writable();
      const hook = hookOf(call, repository);
      call.hooks.redeliver(repository, hook, deliveryOf(call, hook));
      return { status: 202, body: {} };
    },
  },
];

function hookOf(call: Call, repository: RepositoryRecord): HookRecord {
  const hook = repository.hooks.get(call.number('hook_id'));
  if (!hook) throw notFound();
  return hook;
}

function deliveryOf(call: Call, hook: HookRecord): DeliveryRecord {
  const id = call.number('delivery_id');
  const delivery = hook.deliveries.find((candidate) => candidate.id === id);
  if (!delivery) throw notFound();
  return delivery;
}

const one = (call: Call, repository: RepositoryRecord): Answer =>
  ok(hookBody(call.world, repository, hookOf(call, repository)));

function inputOf(call: Call): HookInput {
  const config = (call.body['config'] ?? {}) as { url?: string; secret?: string; content_type?: string };
  return {
    ...(config.url ? { url: config.url } : {}),
    ...(config.secret ? { secret: config.secret } : {}),
    ...(config.content_type ? { contentType: config.content_type === 'json' ? 'json' : 'form' } : {}),
    ...('events' in call.body ? { events: call.strings('events') } : {}),
    ...(typeof call.body['active'] === 'boolean' ? { active: call.body['active'] } : {}),
  };
}

function createHook(call: Call): Answer {
  const repository = call.writable();
  return created(hookBody(call.world, repository, call.hooks.createHook(repository, call.login(), inputOf(call))));
}

function patchHook(call: Call): Answer {
  const repository = call.writable();
  const hook = hookOf(call, repository);
  const input = inputOf(call);
  hook.url = input.url ?? hook.url;
  hook.secret = input.secret ?? hook.secret;
  hook.contentType = input.contentType ?? hook.contentType;
  hook.events = input.events ? [...input.events] : hook.events;
  hook.active = input.active ?? hook.active;
  hook.updatedAt = call.world.now();
  return one(call, repository);
}
