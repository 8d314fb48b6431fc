import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Presence } from './presence.js';

describe('the sign of a running demo', () => {
  const dir = mkdtempSync(join(tmpdir(), 'capstan-demo-'));
  const file = join(dir, 'demo.json');
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is seen while the demo runs, and means nothing once it has gone, however it went', async () => {
    expect(await Presence.find(file)).toBeUndefined();
    const presence = await Presence.announce(file);
    expect(await Presence.find(file)).toBe(process.pid);
    await presence.end();
    expect(await Presence.find(file)).toBeUndefined();
  });

  it('is not taken for a stranger who has the port by now', async () => {
    const presence = await Presence.announce(file);
    const sign = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...sign, word: 'another' }));
    expect(await Presence.find(file)).toBeUndefined();
    await presence.end();
  });
});
