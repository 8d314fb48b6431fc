import { isDeepStrictEqual } from 'node:util';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Response } from 'express';
import { map, type Observable } from 'rxjs';
import type { Route } from '@capstan/api';
import { Bug } from '@capstan/domain';
import { Reply } from './ask.js';
import { routeOf } from './serves.js';

/**
 * Writes a {@link Reply}'s status and headers. When `strict`, every answer is also held against its route's schema, so
 * that a drift between the contract and the service fails a test; production doesn't pay for it.
 */
export class AnswerInterceptor implements NestInterceptor {
  constructor(private readonly strict: boolean) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const route = routeOf(context.getHandler());
    const response = context.switchToHttp().getResponse<Response>();
    return next.handle().pipe(
      map((answer: unknown) => {
        const body = answer instanceof Reply ? (answer.body as unknown) : answer;
        if (answer instanceof Reply) {
          if (answer.options.status !== undefined) response.status(answer.options.status);
          for (const [name, value] of Object.entries(answer.options.headers ?? {})) response.setHeader(name, value);
        }
        if (this.strict && route?.answer !== undefined) assertAnswer(route, body);
        return body;
      }),
    );
  }
}

function assertAnswer(route: Route, body: unknown): void {
  const written: unknown = JSON.parse(JSON.stringify(body));
  const parsed = route.answer!.safeParse(written);
  const where = `the answer of ${route.method} ${route.path}`;
  if (!parsed.success)
    throw new Bug(
      `${where} breaks its schema: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
    );
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(parsed.data)), written))
    throw new Bug(`${where} holds fields that its schema doesn't name`);
}
