import { Controller } from '@nestjs/common';
import { podProvision, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Provisioner } from './provisioner.js';

/** Placement asked for a pod. */
@Controller()
export class ProvisionPodHandler {
  constructor(private readonly provisioner: Provisioner) {}

  @Handles(podProvision)
  async provision({ podId }: PayloadOf<typeof podProvision>): Promise<void> {
    await this.provisioner.step(podId);
  }
}
