// Installs the real agent programs, at the versions of test/agents/clis/package.json, unless they are there:
//
//   node test/support/install-agents.mjs
//
// About 1.4 GB: that is why they are no dependencies of the project. They bring what they need in packages of their own
// version; a lock would name those for every platform, which not every registry has.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = join(dirname(dirname(fileURLToPath(import.meta.url))), 'agents', 'clis');
const wanted = readFileSync(join(directory, 'package.json'), 'utf8');
const stamp = join(directory, 'node_modules', '.installed');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  process.stderr.write('Installing five agent programs (once, 1.4 GB) …\n');
  // npm's own settings of an outer npm call would make it look for this package among the project's workspaces.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(config_local_prefix|package)/.test(name)),
  );
  const { status } = spawnSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  });
  if (status !== 0) {
    process.stderr.write(
      `The agent programs could not be installed: npm install in ${directory} ended with ${status}.\n`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
