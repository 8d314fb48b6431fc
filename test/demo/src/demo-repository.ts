/** The demo's repository: a small package with one function that is wrong and one test that says so. */
export const DEMO_FILES: Readonly<Record<string, string>> = {
  'README.md': '# abacus\n\nArithmetic for people who would rather not do it themselves.\n',
  'package.json': `${JSON.stringify(
    { name: 'abacus', version: '1.0.0', type: 'module', scripts: { test: 'node test/abacus.test.js' } },
    null,
    2,
  )}\n`,
  'src/abacus.js': `export function add(a, b) {
  return a - b;
}

export function multiply(a, b) {
  return a * b;
}
`,
  'test/abacus.test.js': `import { add, multiply } from '../src/abacus.js';

const examples = [
  [add, [2, 3], 5],
  [add, [-1, 1], 0],
  [multiply, [4, 5], 20],
];
let failed = 0;
for (const [subject, given, wanted] of examples) {
  const got = subject(...given);
  if (got === wanted) continue;
  failed += 1;
  console.error(\`\${subject.name}(\${given.join(', ')}) should be \${wanted}, but is \${got}\`);
}
console.log(failed === 0 ? \`\${examples.length} examples pass\` : \`\${failed} of \${examples.length} examples fail\`);
process.exitCode = failed === 0 ? 0 : 1;
`,
};

export const DEMO_TICKET = {
  title: 'add(2, 3) gives -1',
  body: 'Adding two numbers subtracts them.\n\nSteps: `add(2, 3)`\nExpected: `5`\nGot: `-1`\n\n<!-- a comment that no agent should ever see -->',
  label: 'capstan',
} as const;

/** What a scripted model has an agent do about it. */
export const REPAIR =
  "sed -i 's/return a - b;/return a + b;/' src/abacus.js && npm test && git commit -qam 'Add instead of subtracting'";
