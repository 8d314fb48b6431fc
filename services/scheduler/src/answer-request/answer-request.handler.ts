import { Controller } from '@nestjs/common';
import { taskRequested, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Answerer } from './answerer.js';

/** What wakes the answer to a request. */
@Controller()
export class AnswerRequestHandler {
  constructor(private readonly answerer: Answerer) {}

  @Handles(taskRequested)
  async requested({ requestId, taskId }: PayloadOf<typeof taskRequested>): Promise<void> {
    await this.answerer.answer(requestId, taskId);
  }
}
