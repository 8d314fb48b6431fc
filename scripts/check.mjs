// Everything that can be said of the tree without running it: format, lint with the dependency law, types, generated
// files, dead code. Says all that is wrong, not only the first.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = process.execPath;

const STEPS = [
  { name: 'format', command: [node, 'node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'] },
  // The lint rule for the dependency law reads Nx's graph of the projects.
  { name: 'project graph', command: [node, 'node_modules/nx/dist/bin/nx.js', 'graph', '--file=.nx/graph.json'] },
  { name: 'lint', command: [node, 'node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.'] },
  { name: 'types', command: [node, 'node_modules/typescript/bin/tsc', '-b'] },
  {
    name: 'types of specs',
    command: [node, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.spec.json', '--noEmit'],
  },
  { name: 'types of the dashboard', command: ['npm', 'run', '--silent', 'check', '-w', 'web'] },
  { name: 'generated files', command: [node, 'scripts/generate.mjs', '--check'] },
  { name: 'dead code', command: [node, 'node_modules/knip/bin/knip.js', '--no-progress', '--no-config-hints'] },
];

let failed = 0;
for (const { name, command } of STEPS) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      NX_DAEMON: 'false',
      NX_NO_CLOUD: 'true',
      NX_TUI: 'false',
      NODE_NO_WARNINGS: '1',
      FORCE_COLOR: '0',
    },
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? '✓' : '✗'} ${name}  ${seconds} s\n`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(`${stdout ?? ''}${stderr ?? ''}\n`);
}
if (failed > 0) process.stdout.write(`${failed} of ${STEPS.length} checks failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
