import { describe, expect, it } from 'vitest';
import type { LogLine } from '#lib/api/types.ts';
import { LogRows, wrapAt } from './log-rows.ts';

let sequence = 0;
const line = (kind: LogLine['kind'], text: string, data?: Record<string, unknown>): LogLine => ({
  sequence: ++sequence,
  at: '2026-01-01T00:00:00.000Z',
  kind,
  text,
  ...(data ? { data } : {}),
});
const texts = (rows: LogRows) => rows.rows.map(({ text }) => text);
const callOf = (id: string, command: string) => line('tool_use', '', { tool: 'Bash', id, input: { command } });
const resultOf = (id: string, text: string) => line('tool_result', text, { id });

describe('rows of a log', () => {
  it('folds a tool call with its result, wherever the result arrives', () => {
    const rows = new LogRows();
    rows.append([
      callOf('a', 'ls'),
      callOf('b', 'pwd'),
      line('text', 'meanwhile'),
      resultOf('b', '/work'),
      resultOf('a', 'one\ntwo'),
    ]);
    expect(texts(rows)).toEqual(['Bash ls', 'Bash pwd', 'meanwhile']);
    rows.toggle(0);
    expect(texts(rows)).toEqual(['Bash ls', '{', '  "command": "ls"', '}', 'one', 'two', 'Bash pwd', 'meanwhile']);
    rows.toggle(0);
    expect(texts(rows)).toEqual(['Bash ls', 'Bash pwd', 'meanwhile']);
  });

  it('shows the result of an opened call when it arrives later', () => {
    const rows = new LogRows();
    rows.append([callOf('a', 'ls'), line('text', 'x')]);
    rows.toggle(0);
    rows.append([resultOf('a', 'done')]);
    expect(texts(rows)).toEqual(['Bash ls', '{', '  "command": "ls"', '}', 'done', 'x']);
  });

  it('keeps a result without a call in sight, and a second result of the same call', () => {
    const rows = new LogRows();
    rows.append([resultOf('nobody', 'alone'), callOf('a', 'ls'), resultOf('a', '1'), resultOf('a', '2')]);
    expect(texts(rows)).toEqual(['alone', 'Bash ls', '2']);
  });

  it('numbers only the first row of a line and takes terminal codes away', () => {
    const rows = new LogRows();
    rows.append([line('text', '\u001b[31mred\u001b[0m\n\tindented\r\n')]);
    expect(rows.rows.map(({ text, isFirst }) => [text, isFirst])).toEqual([
      ['red', true],
      ['  indented', false],
      ['', false],
    ]);
  });

  it('finds folded lines and opens what hides them', () => {
    const rows = new LogRows();
    rows.append([
      callOf('a', 'ls'),
      resultOf('a', 'needle\nhay'),
      line('text', 'a Needle too'),
      line('text', 'nothing'),
    ]);
    expect(rows.find('NEEDLE')).toEqual([1, 2]);
    const row = rows.reveal(1, 'needle');
    expect(rows.rows[row]?.text).toBe('needle');
    expect(rows.rows[rows.reveal(2, 'needle')]?.text).toBe('a Needle too');
  });

  it('comes out the same whether lines came singly, in bulk, or the width changed in between', () => {
    const many = Array.from({ length: 300 }, (_one, index) =>
      index % 5 === 0
        ? callOf(`c${index}`, 'x')
        : index % 5 === 1
          ? resultOf(`c${index - 1}`, 'r '.repeat(40))
          : line('text', 'word '.repeat(index % 30)),
    );
    const [single, bulk, resized] = [new LogRows(), new LogRows(), new LogRows()];
    resized.setColumns(33);
    for (const one of [single, bulk]) one.setColumns(57);
    for (const one of many) single.append([one]);
    bulk.append(many);
    resized.append(many);
    resized.setColumns(57);
    for (const one of [single, bulk, resized]) one.toggle(10);
    expect(single.rows).toEqual(bulk.rows);
    expect(resized.rows).toEqual(bulk.rows);
  });

  it('takes fifty thousand lines in its stride', () => {
    const rows = new LogRows();
    rows.setColumns(100);
    const started = performance.now();
    for (let batch = 0; batch < 100; batch++)
      rows.append(Array.from({ length: 500 }, () => line('text', 'word '.repeat(30))));
    expect(rows.find('word word')).toHaveLength(50_000);
    expect(rows.rows).toHaveLength(100_000);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('wrapping', () => {
  it.each([
    ['short', 20, ['short']],
    ['', 20, ['']],
    ['the quick brown fox jumps', 20, ['the quick brown fox ', 'jumps']],
    ['a'.repeat(45), 20, ['a'.repeat(20), 'a'.repeat(20), 'a'.repeat(5)]],
    ['日'.repeat(12), 20, ['日'.repeat(10), '日'.repeat(2)]],
  ])('breaks %j at %i columns', (text, columns, rows) => {
    expect(wrapAt(text, columns)).toEqual(rows);
  });
});
