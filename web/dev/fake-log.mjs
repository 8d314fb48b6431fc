/** Lines of an agent's log as they could have been, any number of them, the same each time. */
const FILES = ['src/pagination.ts', 'src/pagination.spec.ts', 'src/cursor.ts', 'package.json', 'README.md'];

export function logLine(sequence, startedAt) {
  const at = new Date(startedAt + sequence * 180).toISOString();
  const file = FILES[sequence % FILES.length];
  const id = `call-${Math.floor(sequence / 9)}`;
  switch (sequence % 9) {
    case 1:
      return { sequence, at, kind: 'text', text: `I will look at ${file} first, then at whoever calls it.` };
    case 2:
      return {
        sequence,
        at,
        kind: 'thinking',
        text: `The last page repeats the first row of the next one, so the cursor is probably inclusive. If the comparison in ${file} is ">=" where it should be ">", that explains both failing assertions, and the fix is one character; the tests should say so for empty pages too.`,
      };
    case 3:
      return {
        sequence,
        at,
        kind: 'tool_use',
        text: '',
        data: {
          tool: sequence % 2 ? 'Read' : 'Bash',
          id,
          input: sequence % 2 ? { file_path: file } : { command: `npm test -- ${file}`, description: 'Run the tests' },
        },
      };
    case 4: {
      const failed = sequence % 54 === 4;
      return {
        sequence,
        at,
        kind: 'tool_result',
        text: failed
          ? `npm error Test failed. See above for more details.\n  at ${file}:42:17`
          : result(file, sequence),
        data: { id, ...(failed ? { isError: true } : {}) },
      };
    }
    case 5:
      return {
        sequence,
        at,
        kind: 'text',
        text: `The comparison is inclusive:\n\n  rows.filter((row) => row.id >= cursor)\n\nThat is what repeats a row at the border of two pages.`,
      };
    case 6:
      return {
        sequence,
        at,
        kind: 'stderr',
        text: `(node:4711) ExperimentalWarning: VM Modules is an experimental feature and might change at any time`,
      };
    case 7:
      return {
        sequence,
        at,
        kind: 'usage',
        text: `${1_200 + sequence} tokens in, ${80 + (sequence % 400)} out, $0.0${1 + (sequence % 8)}`,
      };
    case 8:
      return sequence % 27 === 8
        ? { sequence, at, kind: 'system', text: 'Worktree prepared: capstan/4f1c9a2e-fix-pagination on main' }
        : { sequence, at, kind: 'text', text: `Changed ${file}; running its tests again.` };
    default:
      return { sequence, at, kind: 'text', text: `Step ${sequence}: ${file} is as it should be.` };
  }
}

function result(file, sequence) {
  return Array.from(
    { length: 4 + (sequence % 11) },
    (_one, index) =>
      `${String(index + 1).padStart(4)}  ${index % 3 === 0 ? '\u001b[32m✓\u001b[0m ' : ''}${file} case ${index + 1} (${3 + index} ms)`,
  ).join('\n');
}
