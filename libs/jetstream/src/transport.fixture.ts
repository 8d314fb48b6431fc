import type { INestMicroservice, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { EventDefinition } from '@capstan/events';
import type { Broker } from './broker.js';
import { JetStreamServer, type JetStreamServerOptions } from './jetstream-server.js';

/** A service of nothing but handlers, for specs. */
export interface TestService {
  readonly server: JetStreamServer;
  readonly app: INestMicroservice;
  close(): Promise<void>;
}

export async function startHandlers(
  broker: Broker,
  controllers: readonly Type[],
  consumes: readonly EventDefinition[],
  options: Partial<JetStreamServerOptions> = {},
): Promise<TestService> {
  class TestModule {}
  const server = new JetStreamServer({ broker, service: 'spec', consumes, ...options });
  const app = await NestFactory.createMicroservice(
    { module: TestModule, controllers: [...controllers] },
    { strategy: server, logger: false, abortOnError: false },
  );
  try {
    await app.listen();
  } catch (error) {
    await server.close();
    throw error;
  }
  return { server, app, close: () => app.close() };
}
