import type { ServerResponse } from 'node:http';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Logger } from '@capstan/service-kit';
import { writeProblem } from './problem.js';

/** Answers every error as problem+json. */
@Catch()
export class GatewayProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    writeProblem(host.switchToHttp().getResponse<ServerResponse>(), error, this.logger);
  }
}
