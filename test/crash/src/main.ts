import { mkdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { planTasks } from './workload/plan.js';
import { Random } from './adversary/random.js';
import { Stage } from './stage/stage.js';
import { crashConfig } from './crash.config.js';
import { REPOSITORIES, Workload } from './workload/workload.js';
import { installTrace, writeTrace } from './stage/trace.js';

const c = crashConfig();
mkdirSync(c.dataDir, { recursive: true });
const at = performance.now();
const stage = await Stage.open({ dataDir: c.dataDir, replicas: c.replicas, maxConcurrent: 12 });
console.log('open', performance.now() - at, stage.dataDir, stage.url);
await installTrace(stage.database);
await stage.setUp();
const w = new Workload(stage, planTasks(c.tasks, 10_000, REPOSITORIES, new Random(c.seed)));
await w.setUp();
const arriving = w.arrive();
for (let i = 0; i < 60; i++) {
  await pause(1000);
  await w.meddle();
  if (i % 5 === 0) console.log((performance.now() - at) / 1000, (await stage.database.query('select title, state, attention->>\'code\' code, run_count from task order by title')).rows.map((r) => `${r.title} ${r.state} ${r.code} ${r.run_count}`).join('\n '));
}
await arriving;
console.log(await writeTrace(stage.database, c.dataDir + '/trace.ndjson'));
console.log(stage.complaints, process.argv[2]);
if (process.argv[2] === 'hold') { console.log('holding', (stage as any).servers.superuserUrl, stage.double.url); await pause(600_000) }
await w.close();
console.log(await stage.close());
