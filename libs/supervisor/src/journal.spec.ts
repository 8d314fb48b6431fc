import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { JournalReader, JournalWriter, lastNumberIn, parseLine } from './journal.js';
import { LineSplitter } from './line-splitter.js';

const directory = mkdtempSync(join(tmpdir(), 'capstan-journal-'));
const file = join(directory, 'journal.ndjson');

beforeEach(() => writeFileSync(file, ''));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Bytes as an agent may write them: text, newlines, halves of characters, in chunks of any size. */
const chunks = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => Buffer.from(`${text}\n`)),
    fc.constant(Buffer.from('\n\n')),
    fc.constant(Buffer.from([0xf0, 0x9f, 0x98])),
  ),
  { maxLength: 30 },
);

function readAll(from: number): { n: number; text: string }[] {
  const reader = JournalReader.open(file);
  const lines: { n: number; text: string }[] = [];
  for (let offset = reader.offsetOf(from); ;) {
    const bytes = reader.wholeLines(offset);
    if (bytes.length === 0) break;
    offset += bytes.length;
    for (const text of bytes.toString().split('\n')) {
      const line = parseLine(text);
      if (line?.kind === 'stdout') lines.push({ n: line.n, text: line.text });
    }
  }
  reader.close();
  return lines;
}

function write(given: readonly Uint8Array[]): void {
  const splitter = new LineSplitter();
  const journal = new JournalWriter(file);
  for (const chunk of given) journal.append(splitter.push(Buffer.from(chunk)).map(stdout));
  journal.append(splitter.end().map(stdout));
  journal.close();
}

const stdout = ({ text }: { text: string }): { kind: 'stdout'; text: string } => ({ kind: 'stdout', text });

describe('journal', () => {
  it('turns any bytes into whole lines, each once and in order', () => {
    fc.assert(
      fc.property(chunks, (given) => {
        writeFileSync(file, '');
        write(given);
        const whole = Buffer.concat(given).toString('latin1').split('\n');
        if (whole.at(-1) === '') whole.pop();
        const wanted = whole.map((text, place) => ({
          n: place + 1,
          text: Buffer.from(text, 'latin1').toString('utf8'),
        }));
        expect(readAll(1)).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('drops a torn last line, wherever it was torn, and nothing else', () => {
    write([Buffer.from('one\ntwo\nthrée\n')]);
    const whole = readFileSync(file);
    const ends = [...whole.keys()].filter((at) => whole[at] === 0x0a);
    for (let length = 0; length <= whole.length; length++) {
      truncateSync(file, length);
      const complete = ends.filter((end) => end < length).length;
      expect(readAll(1).map((line) => line.n)).toEqual([1, 2, 3].slice(0, complete));
      const reader = JournalReader.open(file);
      expect(reader.end().lastLine).toBe(complete);
      reader.close();
      writeFileSync(file, whole);
    }
  });

  it('finds any line of a long journal, with lines of every length', () => {
    const journal = new JournalWriter(file);
    const lengths = Array.from({ length: 3_000 }, (_, at) => (at % 500 === 7 ? 400_000 : (at * 37) % 900));
    for (const length of lengths) journal.append([{ kind: 'stdout', text: 'x'.repeat(length) }]);
    journal.close();
    const reader = JournalReader.open(file);
    for (const n of [1, 2, 8, 9, 500, 508, 509, 1_777, 2_999, 3_000]) {
      const bytes = reader.wholeLines(reader.offsetOf(n));
      expect(parseLine(bytes.toString('utf8', 0, bytes.indexOf(0x0a)))?.n).toBe(n);
    }
    const beyond = reader.offsetOf(3_001);
    expect(reader.wholeLines(beyond)).toHaveLength(0);
    journalAppend(3_001);
    expect(lastNumberIn(reader.wholeLines(beyond))).toBe(3_001);
    reader.close();
  });

  it('skips what a full disk left in the middle', () => {
    write([Buffer.from('one\n')]);
    appendFileSync(file, '{"n":2,"at":"2026-01-01T00:00:00.000Z","kind":"std\n');
    journalAppend(2);
    expect(readAll(1).map((line) => line.n)).toEqual([1, 2]);
  });
});

function journalAppend(n: number): void {
  appendFileSync(file, `${JSON.stringify({ n, at: '2026-01-01T00:00:00.000Z', kind: 'stdout', text: 'later' })}\n`);
}

describe('line splitter', () => {
  it('cuts a long line at a whole character, marks it, and goes on with the next line', () => {
    const splitter = new LineSplitter(10);
    const lines = [
      ...splitter.push(Buffer.from(`${'a'.repeat(8)}€€ and more`)),
      ...splitter.push(Buffer.from(' x\nb\n')),
    ];
    expect(lines).toEqual([
      { text: 'a'.repeat(8), cut: true },
      { text: 'b', cut: false },
    ]);
  });

  it('keeps a line of exactly the longest length', () => {
    expect(new LineSplitter(4).push(Buffer.from('abcd\n'))).toEqual([{ text: 'abcd', cut: false }]);
  });

  it('replaces bytes that are not UTF-8', () => {
    expect(new LineSplitter().push(Buffer.from([0x61, 0xff, 0x62, 0x0a]))).toEqual([{ text: 'a\ufffdb', cut: false }]);
  });
});
