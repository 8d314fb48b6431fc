import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** Which project may import which (DESIGN §1). Tags are in each project's package.json. */
const dependencyLaw = [
  { sourceTag: 'type:domain', onlyDependOnLibsWithTags: [], allowedExternalImports: [] },
  { sourceTag: 'type:contract', onlyDependOnLibsWithTags: ['type:domain'], allowedExternalImports: ['zod'] },
  { sourceTag: 'type:supervisor', onlyDependOnLibsWithTags: ['type:domain'] },
  { sourceTag: 'type:adapter', onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'type:supervisor'] },
  {
    sourceTag: 'type:kit',
    onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'name:database', 'name:jetstream'],
  },
  {
    sourceTag: 'type:service',
    onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'type:adapter', 'type:supervisor', 'type:kit'],
  },
  {
    sourceTag: 'type:cli',
    onlyDependOnLibsWithTags: [
      'type:domain',
      'type:contract',
      'type:adapter',
      'type:supervisor',
      'type:kit',
      'type:service',
    ],
  },
  { sourceTag: 'type:web', onlyDependOnLibsWithTags: ['name:api'] },
  {
    sourceTag: 'type:test-support',
    onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'name:database', 'name:jetstream'],
  },
  // The model explores the very decisions that services make: of a service it sees these alone, by its exports.
  { sourceTag: 'type:model', onlyDependOnLibsWithTags: ['type:domain', 'name:database', 'type:service'] },
  {
    sourceTag: 'type:e2e',
    onlyDependOnLibsWithTags: [
      'type:domain',
      'type:contract',
      'type:test-support',
      'type:model',
      'name:database',
      'name:jetstream',
    ],
  },
];

/** Clock, chance and the environment don't exist where decisions are made (DESIGN §1). */
const pureSyntax = [
  { selector: 'AwaitExpression', message: 'A decision is pure: read in the snapshot, act in the apply.' },
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'Pass `now` in.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Pass `now` in.' },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Pass `random` in.' },
  { selector: 'CallExpression[callee.name=/^set(Timeout|Interval|Immediate)$/]', message: 'A decision has no timers.' },
  { selector: "MemberExpression[object.name='process']", message: 'A decision knows nothing of the process.' },
];
const everywhere = [
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Read the environment in a *.config.ts and pass values in.',
  },
  {
    selector: 'Literal[value=/^(event|live)\\.[a-z_]+\\.[a-z_]+\\.v\\d/]',
    message: 'Subjects come from an event of libs/events, never from a string.',
  },
  { selector: 'ExportDefaultDeclaration', message: 'Use named exports.' },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/build/**',
      '**/node_modules/**',
      '**/.svelte-kit/**',
      '.cache/**',
      '.data/**',
      '.nx/**',
      'web/dev/**',
      'web/*.ts',
      '**/*.d.ts',
    ],
  },
  ...tseslint.configs.recommended,
  prettier,
  {
    // svelte-check types the dashboard; here only the law counts: it may import the REST contract and nothing else.
    files: ['web/src/**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { allow: ['#lib/**'], allowCircularSelfDependency: true, depConstraints: dependencyLaw },
      ],
      'max-lines': ['error', { max: 400 }],
    },
  },
  {
    files: ['**/*.ts'],
    ignores: ['web/**'],
    plugins: { '@nx': nx },
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.spec.json', './test/e2e/browser/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          allow: [],
          banTransitiveDependencies: false,
          depConstraints: dependencyLaw,
        },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
      'no-restricted-syntax': ['error', ...everywhere],
    },
  },
  {
    files: ['libs/domain/src/**/*.ts', 'libs/events/src/**/*.ts', '**/*.decide.ts'],
    ignores: ['**/*.spec.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere, ...pureSyntax] },
  },
  {
    files: ['**/*.config.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere.filter(({ selector }) => !selector.includes('process'))] },
  },
  {
    files: ['**/*.spec.ts', '**/*.e2e-spec.ts', '**/*.conformance.ts', '**/*.fixture.ts', '**/*.factory.ts'],
    rules: {
      'max-lines': ['error', { max: 800 }],
      'max-lines-per-function': 'off',
      '@nx/enforce-module-boundaries': 'off',
      'no-restricted-syntax': 'off',
    },
  },
  {
    // A closed table of routes grows with what can be asked, not with complexity.
    files: ['libs/api/src/resources/*.ts'],
    rules: { 'max-lines': 'off' },
  },
  { files: ['libs/database/src/migrations/*.ts'], rules: { 'max-lines': 'off' } },
  { files: ['**/*.mjs', '*.config.ts', 'web/**/*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
);
