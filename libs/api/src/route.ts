import type { z } from 'zod';
import type { Permission } from './permissions.js';

/** One REST route: what the gateway serves, the OpenAPI document lists, and a client may call. */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Express form, e.g. `/api/tasks/:taskId`. */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  readonly tag: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly answer?: Answer;
  /** Status of success; 200 unless told. */
  readonly status?: number;
  /** Further statuses that a well-formed request may get, e.g. `{ 202: 'not answered yet' }`. */
  readonly otherwise?: Readonly<Record<number, string>>;
}

/** Keeps the schema types of a route. */
export function route<
  const Params extends z.ZodType,
  const Query extends z.ZodType,
  const Body extends z.ZodType,
  const Answer extends z.ZodType,
>(definition: Route<Params, Query, Body, Answer>): Route<Params, Query, Body, Answer> {
  return Object.freeze(definition);
}

/** The path with its parameters filled in, URL-encoded. */
export function pathOf(definition: Pick<Route, 'path'>, params: Readonly<Record<string, string>> = {}): string {
  return definition.path.replace(/:(\w+)/g, (_match, name: string) => encodeURIComponent(params[name] ?? `:${name}`));
}
