import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootId } from './processes.js';
import { locked } from './lock.js';

const directory = mkdtempSync(join(tmpdir(), 'capstan-lock-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('lock', () => {
  it('lets one in at a time, and everybody in', async () => {
    const path = join(directory, 'one');
    let inside = 0;
    let most = 0;
    let done = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      done += 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => locked(path, work)));
    expect([most, done]).toEqual([1, 20]);
    expect(readdirSync(directory).filter((name) => name.startsWith('one.'))).toHaveLength(1);
  });

  it('passes over a holder that died', async () => {
    const path = join(directory, 'two');
    writeFileSync(`${path}.7`, JSON.stringify({ pid: process.pid, startTime: 'another life', bootId: bootId() }));
    expect(await locked(path, () => 'in')).toBe('in');
  });

  it('is free again after a failure', async () => {
    const path = join(directory, 'three');
    await expect(locked(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await locked(path, () => 'in')).toBe('in');
  });
});
