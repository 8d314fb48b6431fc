import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stage } from './stage/stage.js';

const at = performance.now();
const stage = await Stage.open({
  dataDir: mkdtempSync(join(tmpdir(), 'capstan-crash-')),
  replicas: 1,
  maxConcurrent: 10,
});
console.log('open', performance.now() - at, stage.dataDir, stage.url);
await stage.setUp();
console.log('set up');
console.log(await stage.close());
