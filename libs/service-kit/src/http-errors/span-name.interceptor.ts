import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { trace } from '@opentelemetry/api';
import type { Observable } from 'rxjs';

/** Names the server's span after the route, `GET /api/tasks/:id`, once Nest knows it. */
export class SpanNameInterceptor implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (execution.getType() === 'http') {
      const { method, route } = execution.switchToHttp().getRequest<{ method: string; route?: { path?: unknown } }>();
      if (typeof route?.path === 'string') {
        const span = trace.getActiveSpan();
        span?.updateName(`${method} ${route.path}`);
        span?.setAttribute('http.route', route.path);
      }
    }
    return next.handle();
  }
}
