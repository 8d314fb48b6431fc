import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Response } from 'express';
import { Bug } from '@capstan/domain';
import { assertPermission, type Authenticator } from '../access/authenticator.js';
import { Ask } from './ask.js';
import { readJson } from './body.js';
import { parsePart, queryOf } from './parse.js';
import type { RateLimit } from './rate-limit.js';
import { routeOf, type AskedRequest } from './serves.js';

/**
 * The door of every handler, in this order: too many from one address (public routes) · who asks · may they · what do
 * they ask. Nothing of a body is read before somebody who may ask is known.
 */
export class DoorGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly publicRate: RateLimit,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<AskedRequest>();
    const route = routeOf(context.getHandler());
    if (route === undefined) throw new Bug(`${context.getHandler().name} is served without a route`);
    if (route.permission === 'public') this.publicRate.take(`${request.ip} ${request.method === 'GET'}`);
    const found = route.permission === 'public' ? null : await this.authenticator.whoAsks(request);
    assertPermission(found?.caller ?? null, route.permission);
    if (found?.setCookie) http.getResponse<Response>().setHeader('set-cookie', found.setCookie);
    const body = await readJson(request);
    request.ask = new Ask(
      parsePart('params', route.params, { ...request.params }),
      parsePart('query', route.query, queryOf(request.originalUrl)),
      parsePart('body', route.body, body),
      request,
      found?.caller ?? null,
    );
    return true;
  }
}
