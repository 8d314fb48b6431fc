import { randomBytes } from 'node:crypto';
import { TicketSource, migrate, newId } from '@capstan/database';
import { ticketSourcePoll } from '@capstan/events';
import { openHost } from '@capstan/service-kit';
import { aRepository, eventually, testDatabase, testNats } from '@capstan/test-support';
import * as ticketSync from './main.js';

jest.setTimeout(60_000);

it('boots, is woken by an event, and ends in order', async () => {
  const server = await testDatabase({ migrate });
  const nats = testNats();
  const env = {
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    CAPSTAN_INTERNAL_PORT: '0',
  };
  const host = await openHost({ env, services: [ticketSync], write: () => undefined });
  try {
    const { database } = host;
    const { id: repositoryId, workspaceId } = await aRepository(database);
    const id = newId();
    await database.transaction((tx) =>
      tx.insert(TicketSource, {
        id,
        workspaceId,
        repositoryId,
        kind: 'github-issues',
        project: 'acme/app',
        apiUrl: 'http://127.0.0.1:1',
        label: 'capstan',
        credentialSecret: 'GITHUB_TOKEN',
        nextPollAt: new Date(Date.now() + 3_600_000),
      }),
    );
    await host.start(ticketSync);
    await database.transaction((tx) => tx.emit(ticketSourcePoll, { workspaceId, ticketSourceId: id }));
    await eventually(async () => {
      const [source] = await database.query<TicketSource>('select * from ticket_source');
      expect(source!.lastError).toContain('GITHUB_TOKEN');
    });
  } finally {
    await host.close(1_000);
    await server.close();
  }
});
