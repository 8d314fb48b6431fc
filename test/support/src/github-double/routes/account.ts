import { ownUserBody, userBody } from '../bodies/user.js';
import { ok } from '../router.js';
import type { Route } from '../router.js';

export const accountRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: '/user',
    handle: (call) => ok(ownUserBody(call.world, call.world.user(call.login()))),
  },
  {
    method: 'GET',
    template: '/users/{username}',
    handle: (call) =>
      ok({
        ...ownUserBody(call.world, call.world.user(call.param('username'))),
        ...userBody(call.world, call.param('username')),
      }),
  },
  {
    method: 'GET',
    template: '/meta',
    handle: () => ok({ verifiable_password_authentication: false }),
  },
];
