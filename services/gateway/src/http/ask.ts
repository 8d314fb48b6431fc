import type { Request } from 'express';
import type { z } from 'zod';
import type { Route } from '@capstan/api';
import { Bug, type Actor, type Id } from '@capstan/domain';
import type { Role } from '@capstan/database';

/** Who asks. Everything that they may see lies in `workspaceId`. */
export interface Caller {
  readonly userId: Id;
  readonly email: string;
  readonly name: string;
  readonly workspaceId: Id;
  readonly role: Role;
  /** How they were recognised: a browser's session, an access token, or the terminal of this machine. */
  readonly via: 'session' | 'token' | 'terminal';
  /** Id of the session or of the token; null for the terminal. */
  readonly credentialId: Id | null;
}

/** The caller as tasks, requests and the audit name them. */
export function actorOf(caller: Caller): Actor {
  return { kind: 'user', id: caller.userId };
}

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** One request that was let in: parsed by its route's schemas, asked by somebody who has the permission. */
export class Ask<Params = unknown, Query = unknown, Body = unknown> {
  constructor(
    readonly params: Params,
    readonly query: Query,
    readonly body: Body,
    readonly request: Request,
    private readonly who: Caller | null,
  ) {}

  /** Who asks. Only public routes have nobody. */
  get caller(): Caller {
    if (this.who === null) throw new Bug('a public route asked for its caller');
    return this.who;
  }
}

export type AskOf<R extends Route> =
  R extends Route<infer Params, infer Query, infer Body> ? Ask<Parsed<Params>, Parsed<Query>, Parsed<Body>> : never;

/** What a route's answer looks like before it is written. */
export type AnswerOf<R extends Route> =
  R extends Route<z.ZodType, z.ZodType, z.ZodType, infer Answer> ? z.input<Answer> : never;

/** An answer with a status or headers of its own. */
export class Reply<T> {
  constructor(
    readonly body: T,
    readonly options: {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string | readonly string[]>>;
    } = {},
  ) {}
}
