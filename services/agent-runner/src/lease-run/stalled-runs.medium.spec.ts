import { Database, migrate } from '@capstan/database';
import { openLogger } from '@capstan/service-kit';
import { aRepository, aRun, testDatabase } from '@capstan/test-support';
import { tellStalled } from './stalled-runs.js';

it('a run that says nothing is told once, by its symptom', async () => {
  const server = await testDatabase({ migrate });
  const database = await Database.open({ url: server.url, poolSize: 2 });
  const quiet = await aRun(database, await aRepository(database), { state: 'running', owner: 'me' });
  await aRun(database, await aRepository(database), { state: 'running', owner: 'me', launchedAt: new Date() });
  await database.query(`update run set launched_at = now() - interval '2 hours', last_line_at = null where id = $1`, [
    quiet.run.id,
  ]);
  const lines: Record<string, unknown>[] = [];
  const logger = openLogger({
    format: 'json',
    level: 'warn',
    write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  await tellStalled(database, 'me', logger);
  await tellStalled(database, 'me', logger);
  expect(lines).toMatchObject([{ runId: quiet.run.id, code: 'run_stalled' }]);
  await database.close();
  await server.close();
});
