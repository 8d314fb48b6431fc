import { createParamDecorator, HttpCode, RequestMapping, RequestMethod, SetMetadata } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import type { Request } from 'express';
import type { z } from 'zod';
import { PERMISSIONS, routes, type Permission, type Route } from '@capstan/api';
import { Bug } from '@capstan/domain';
import type { Ask, Reply } from './ask.js';

const ROUTE = Symbol('capstan.route');
const PAGE = Symbol('capstan.page');

/** Where the door guard leaves what it let in. */
export interface AskedRequest extends Request {
  ask?: Ask;
}

const TheAsk = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const { ask } = context.switchToHttp().getRequest<AskedRequest>();
  if (ask === undefined) throw new Bug('a handler was called past the door guard');
  return ask;
});

type Out<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
type Answer<Schema> = Schema extends z.ZodType ? z.input<Schema> : void;

/**
 * Makes a method the handler of a route of the contract: method, path, status, permission and the parsing of
 * parameters, query and body all come from it. The method gets one {@link Ask} and returns what the route answers.
 */
export function Serves<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  route: Route<P, Q, B, A>,
) {
  type Handler = (ask: Ask<Out<P>, Out<Q>, Out<B>>) => Promise<Answer<A> | Reply<Answer<A>>>;
  return <Method extends Handler>(target: object, property: string, descriptor: TypedPropertyDescriptor<Method>) => {
    bind(route as Route, ROUTE, target, property, descriptor);
  };
}

/** A page for people outside the contract, e.g. the API's documentation. It writes its answer itself. */
export function ServesPage(path: string, permission: Permission, query?: z.ZodType) {
  return (target: object, property: string, descriptor: PropertyDescriptor) => {
    const page: Route = { method: 'GET', path, permission, tag: 'pages', summary: path, ...(query && { query }) };
    bind(page, PAGE, target, property, descriptor);
  };
}

function bind(route: Route, kind: symbol, target: object, property: string, descriptor: PropertyDescriptor): void {
  RequestMapping({ path: route.path, method: RequestMethod[route.method] })(target, property, descriptor);
  HttpCode(route.status ?? 200)(target, property, descriptor);
  SetMetadata(kind, route)(target, property, descriptor);
  TheAsk()(target, property, 0);
}

/** The route that a controller's method serves; undefined for one that bypassed {@link Serves}. */
export function routeOf(handler: object): Route | undefined {
  return (Reflect.getMetadata(ROUTE, handler) ?? Reflect.getMetadata(PAGE, handler)) as Route | undefined;
}

/**
 * Refuses to boot unless every route of the contract is served exactly once, by a method that names its permission,
 * and every method that is bound to a path is bound by {@link Serves} or {@link ServesPage}.
 */
export function assertEveryRouteServed(
  controllers: readonly Type[],
  contract: Readonly<Record<string, Route>> = routes,
) {
  const faults: string[] = [];
  const served = new Map<Route, string[]>();
  for (const controller of controllers) {
    const prototype = controller.prototype as Record<string, unknown>;
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const method = prototype[name];
      if (name === 'constructor' || typeof method !== 'function' || !Reflect.hasMetadata('path', method)) continue;
      const route = Reflect.getMetadata(ROUTE, method) as Route | undefined;
      if (routeOf(method) === undefined) faults.push(`${controller.name}.${name} is bound without a permission`);
      if (route !== undefined) served.set(route, [...(served.get(route) ?? []), `${controller.name}.${name}`]);
    }
  }
  for (const [operation, route] of Object.entries(contract)) {
    const by = served.get(route) ?? [];
    if (by.length === 0) faults.push(`nothing serves ${operation} (${route.method} ${route.path})`);
    if (by.length > 1) faults.push(`${operation} is served twice: ${by.join(', ')}`);
    if (!PERMISSIONS.includes(route.permission)) faults.push(`${operation} names no permission`);
  }
  if (faults.length > 0) throw new Bug(`the gateway can't start: ${faults.join('; ')}`);
}
