import type { DeliveryRecord, HookRecord, RepositoryRecord } from '../model.js';
import type { World } from '../world.js';
import { repositoryApiUrl } from './repository.js';
import type { Body } from './user.js';

export function hookBody(world: World, repository: RepositoryRecord, hook: HookRecord): Body {
  const url = `${repositoryApiUrl(world, repository)}/hooks/${hook.id}`;
  const last = hook.deliveries.at(-1);
  return {
    type: 'Repository',
    id: hook.id,
    name: 'web',
    active: hook.active,
    events: hook.events,
    config: {
      url: hook.url,
      content_type: hook.contentType,
      insecure_ssl: '0',
      ...(hook.secret ? { secret: '********' } : {}),
    },
    updated_at: hook.updatedAt,
    created_at: hook.createdAt,
    url,
    test_url: `${url}/test`,
    ping_url: `${url}/pings`,
    deliveries_url: `${url}/deliveries`,
    last_response: last
      ? { code: last.statusCode, status: last.status, message: last.status }
      : { code: null, status: 'unused', message: null },
  };
}

export function deliveryItemBody(repository: RepositoryRecord, delivery: DeliveryRecord): Body {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.durationSeconds,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: null,
    repository_id: repository.id,
    throttled_at: null,
  };
}

export function deliveryBody(repository: RepositoryRecord, hook: HookRecord, delivery: DeliveryRecord): Body {
  return {
    ...deliveryItemBody(repository, delivery),
    url: hook.url,
    request: { headers: delivery.requestHeaders, payload: delivery.payload },
    response: { headers: {}, payload: delivery.responseBody },
  };
}
