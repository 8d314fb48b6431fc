// Bundles the supervisor into dist/supervisor.mjs: one file without dependencies, for Node 20 and newer.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
await build({
  entryPoints: [join(here, 'src/main.ts')],
  outfile: join(here, 'dist/supervisor.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@capstan/source'],
  legalComments: 'none',
  logLevel: 'warning',
});
