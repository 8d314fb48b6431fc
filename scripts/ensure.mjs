// Installs and builds what is missing, with progress, then goes on with a program in this very process:
//
//   node scripts/ensure.mjs [PROGRAM [ARGUMENT…]]
//
// Runs before anything is installed: Node's own modules only.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, '.cache', 'built.json');
const IGNORED = new Set(['node_modules', 'dist', 'build', '.svelte-kit', 'test-results', 'playwright-report']);

/** Each part is built again when a file below its inputs changed, or when its output is gone. */
const PARTS = [
  {
    name: 'services',
    inputs: ['libs', 'services', 'test', 'tsconfig.json', 'tsconfig.base.json', 'package-lock.json'],
    output: 'services/cli/dist/main.js',
    command: ['node_modules/typescript/bin/tsc', '-b'],
  },
  {
    name: 'supervisor',
    inputs: ['libs/supervisor', 'libs/domain', 'package-lock.json'],
    output: 'libs/supervisor/dist/supervisor.mjs',
    command: ['libs/supervisor/build.mjs'],
  },
  {
    name: 'dashboard',
    inputs: ['web', 'libs/api', 'libs/domain', 'package-lock.json'],
    output: 'web/build/index.html',
    command: ['../node_modules/vite/bin/vite.js', 'build'],
    cwd: 'web',
  },
];

/** Whether node_modules holds what package-lock.json asks for, whoever installed it. */
function isInstalled() {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.optional || entry.devOptional || entry.peer) return true;
    return installed[path]?.version === entry.version && installed[path]?.link === entry.link;
  });
}

function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  try {
    return readdirSync(full, { withFileTypes: true }).flatMap((entry) => {
      if (IGNORED.has(entry.name) || entry.name.endsWith('.tsbuildinfo')) return [];
      return entry.isDirectory() ? filesUnder(join(path, entry.name)) : [join(path, entry.name)];
    });
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path];
    throw error;
  }
}

/** By content: a fresh clone, a checkout and a touched file are all told apart rightly. */
function fingerprint(inputs) {
  const hash = createHash('sha256');
  for (const file of inputs.flatMap(filesUnder).sort()) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {}; // never built, or torn: build
  }
}

/** Runs a command, silent unless it fails; on a terminal a line counts the seconds. */
function run(label, [program, ...args], cwd = root) {
  const startedMs = Date.now();
  const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(0);
  const terminal = process.stderr.isTTY;
  if (!terminal) process.stderr.write(`${label} …\n`);
  const ticking = terminal ? setInterval(() => process.stderr.write(`\r… ${label} ${seconds()} s `), 250) : undefined;
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.once('error', fail);
    child.once('close', (code) => {
      clearInterval(ticking);
      process.stderr.write(`${terminal ? '\r\u001b[K' : ''}${code === 0 ? '✓' : '✗'} ${label} ${seconds()} s\n`);
      if (code === 0) return done();
      process.stderr.write(Buffer.concat(output));
      fail(new Error(`${label} failed (exit code ${code})`));
    });
  });
}

async function install() {
  if (isInstalled()) return;
  await run('Installing packages (once, about a minute)', ['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

async function build() {
  const stamps = readStamps();
  for (const part of PARTS) {
    const print = fingerprint(part.inputs);
    if (stamps[part.name] === print && existsSync(join(root, part.output))) continue;
    await run(`Building the ${part.name}`, [process.execPath, ...part.command], join(root, part.cwd ?? '.'));
    stamps[part.name] = print;
    mkdirSync(dirname(stampFile), { recursive: true });
    writeFileSync(stampFile, JSON.stringify(stamps));
  }
}

const startedMs = Date.now();
try {
  await install();
  await build();
} catch (error) {
  process.stderr.write(`capstan: ${error.message}\n`);
  process.exit(1);
}
const [program, ...args] = process.argv.slice(2);
if (program !== undefined) {
  // How long a person has waited until now, for whoever reports it.
  process.env.CAPSTAN_INSTALL_MS = String(Date.now() - startedMs);
  process.argv = [process.execPath, resolve(root, program), ...args];
  await import(pathToFileURL(resolve(root, program)).href);
}
