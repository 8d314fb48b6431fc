import { Controller } from '@nestjs/common';
import { podChanged, repositoryChanged, secretChanged, workerChanged, workspaceChanged } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Placer } from './place-task.loop.js';

/** What may make room, besides a task's own life. */
@Controller()
export class PlaceTaskHandler {
  constructor(private readonly placer: Placer) {}

  @Handles(podChanged)
  podChanged(): Promise<void> {
    return this.placer.wake();
  }

  @Handles(repositoryChanged)
  repositoryChanged(): Promise<void> {
    return this.placer.wake();
  }

  @Handles(workspaceChanged)
  workspaceChanged(): Promise<void> {
    return this.placer.wake();
  }

  @Handles(workerChanged)
  workerChanged(): Promise<void> {
    return this.placer.wake();
  }

  @Handles(secretChanged)
  secretChanged(): Promise<void> {
    return this.placer.wake();
  }
}
