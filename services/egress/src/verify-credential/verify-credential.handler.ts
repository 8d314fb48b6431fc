import { Controller, Inject, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { credentialCheck, repositoryChanged, secretChanged, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Loops } from '@capstan/service-kit';
import { CredentialVerifier } from './verify-credential.loop.js';

/** Every event that the verifier is woken by. */
export const VERIFIER_CONSUMES = [credentialCheck, secretChanged, repositoryChanged];

/** Events wake; what is due is found in the rows. */
@Controller()
export class VerifyCredentialHandler implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(CredentialVerifier) private readonly verifier: CredentialVerifier,
    @Inject(Loops) private readonly loops: Loops,
  ) {}

  onApplicationBootstrap(): void {
    this.verifier.start(this.loops);
  }

  onModuleDestroy(): Promise<void> {
    return this.verifier.close();
  }

  @Handles(credentialCheck)
  async onAsked(_payload: PayloadOf<typeof credentialCheck>): Promise<void> {
    this.verifier.wake();
  }

  @Handles(secretChanged)
  async onSecretChanged(_payload: PayloadOf<typeof secretChanged>): Promise<void> {
    this.verifier.wake();
  }

  @Handles(repositoryChanged)
  async onRepositoryChanged(_payload: PayloadOf<typeof repositoryChanged>): Promise<void> {
    this.verifier.wake();
  }
}
