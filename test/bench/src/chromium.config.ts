import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** A Chromium of this machine: $CHROME_BIN, or one on PATH; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env['CHROME_BIN'];
  if (named) return isProgram(named) ? named : undefined;
  const places = (process.env['PATH'] ?? '').split(delimiter);
  return places.flatMap((place) => NAMES.map((name) => join(place, name))).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or nothing to start
  }
}
