import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBubblewrap } from './bubblewrap-binary.js';

let rootDir: string;
let told: string[];

beforeEach(() => {
  rootDir = mkdtempSync(join(tmpdir(), 'capstan-bubblewrap-'));
  mkdirSync(join(rootDir, 'scripts'));
  told = [];
});
afterEach(() => rmSync(rootDir, { recursive: true, force: true }));

function program(path: string, script: string): string {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
const found = (path: string): Promise<string | undefined> =>
  findBubblewrap({ rootDir, path, progress: (line) => told.push(line) });

it('takes the one on PATH, and none that does not run', async () => {
  const [broken, good] = ['broken', 'good'].map((name) => join(rootDir, name)) as [string, string];
  for (const directory of [broken, good]) mkdirSync(directory);
  program(join(broken, 'bwrap'), 'echo "no such C library" >&2; exit 127');
  const bwrap = program(join(good, 'bwrap'), 'echo bubblewrap 0.8.0');
  expect(await found(`${broken}:${good}`)).toBe(bwrap);
  expect(told).toEqual([]);
});

it('fetches one into the cache, once', async () => {
  const fetching = `mkdir -p "$1"; printf '#!/bin/sh\\nexit 0\\n' > "$1/bwrap"; chmod +x "$1/bwrap"`;
  program(join(rootDir, 'scripts/get-bwrap.sh'), fetching);
  const cached = join(rootDir, '.cache/bwrap/bwrap');
  expect([await found(rootDir), await found(rootDir)]).toEqual([cached, cached]);
  expect(told).toEqual(['fetching bubblewrap into .cache/bwrap (once)']);
});

it('says why it can not be had, and goes on without', async () => {
  program(join(rootDir, 'scripts/get-bwrap.sh'), 'echo "get-bwrap: no mirror answers" >&2; exit 1');
  expect(await found(rootDir)).toBeUndefined();
  expect(told.at(-1)).toBe(
    "bubblewrap can't be had, so pods will not be isolated: scripts/get-bwrap.sh: get-bwrap: no mirror answers",
  );
});
