import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@capstan/test-support';
import { rotateLogs } from './log-rotation.js';

const LIMIT = 20_000;
const directory = mkdtempSync(join(tmpdir(), 'capstan-logs-'));
const file = join(directory, 'host.log');
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const numbers = (name: string) => {
  const text = readFileSync(name, 'utf8');
  expect(text).not.toContain('\0');
  return text
    .split('\n')
    .filter((line) => /^line \d+ x+$/.test(line))
    .map((line) => Number(line.split(' ')[1]));
};

it('keeps the log of a program that runs on within bounds, its newest lines in order', async () => {
  const log = openSync(file, 'a', 0o600);
  const program = `
    let n = 0;
    const x = 'x'.repeat(80);
    const timer = setInterval(() => { for (let i = 0; i < 20; i += 1) process.stdout.write('line ' + (n += 1) + ' ' + x + '\\n'); }, 1);
    process.on('SIGTERM', () => { clearInterval(timer); process.stdout.write('line ' + (n += 1) + ' ' + x + '\\n'); });`;
  const writer = spawn(process.execPath, ['-e', program], { stdio: ['ignore', log, 'inherit'] });
  const ended = new Promise((resolve) => writer.once('exit', resolve));
  for (let rotated = 0; rotated < 20;)
    rotated += await eventually(() => rotateLogs(directory, LIMIT).length, 20_000, 1);
  writer.kill('SIGTERM');
  await ended;
  rotateLogs(directory, 0);
  expect(readdirSync(directory).sort()).toEqual(['host.log', 'host.log.1']);
  expect(statSync(`${file}.1`).mode & 0o777).toBe(0o600);
  expect(statSync(file).size).toBe(0);
  const kept = numbers(`${file}.1`);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept).toEqual(kept.map((_, index) => kept[0]! + index));
}, 60_000);

it('leaves small logs and everything else alone', () => {
  writeFileSync(join(directory, 'postgres.log'), 'x'.repeat(LIMIT));
  writeFileSync(join(directory, 'core'), 'x'.repeat(5 * LIMIT));
  expect(rotateLogs(directory, LIMIT)).toEqual([]);
  writeFileSync(join(directory, 'postgres.log'), 'y'.repeat(LIMIT + 1));
  expect(rotateLogs(directory, LIMIT)).toEqual(['postgres.log']);
  expect(readFileSync(join(directory, 'postgres.log.1'), 'utf8')).toBe('y'.repeat(LIMIT + 1));
});
