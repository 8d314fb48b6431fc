// Runs the browser suite with a Chromium that is there: $CHROME_BIN, one on PATH, or Debian's. Without one it says so
// and ends well, except in CI, where a skipped suite would be a lie.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PLACES = ['/usr/bin/chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findChromium() {
  const named = process.env.CHROME_BIN;
  if (named) return isProgram(named) ? named : undefined;
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((place) => NAMES.map((name) => join(place, name)));
  return [...onPath, ...PLACES].find(isProgram);
}

const chromium = findChromium();
if (chromium === undefined) {
  const where = process.env.CHROME_BIN
    ? `CHROME_BIN (${process.env.CHROME_BIN}) is no program`
    : 'no Chromium was found';
  console.log(`Browser suite skipped: ${where}. Set CHROME_BIN, or install chromium.`);
  process.exit(process.env.CI ? 1 : 0);
}
if (!existsSync(join(root, 'web/build/index.html'))) {
  console.error('The dashboard is not built: npm run build -w web');
  process.exit(1);
}
const playwright = join(root, 'node_modules/@playwright/test/cli.js');
const args = [playwright, 'test', '-c', join(here, 'playwright.config.mjs'), ...process.argv.slice(2)];
const env = { ...process.env, CAPSTAN_TEST_CHROMIUM: chromium };
process.exit(spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }).status ?? 1);
