/** One Jest for the whole tree. Specs run from source: the `@capstan/source` condition needs no build. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@capstan/source', 'node', 'import', 'default'] },
  testMatch: [
    '<rootDir>/{libs,services}/*/src/**/*.spec.ts',
    '<rootDir>/test/{support,demo,bench,model,crash}/src/**/*.spec.ts',
  ],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // pg extends what it requires of pg-pool, which by the `import` condition would be a namespace and no class.
    '^pg-pool$': '<rootDir>/node_modules/pg-pool/index.js',
    // Express's router calls what it requires, which by the `import` condition would be a namespace.
    '^is-promise$': '<rootDir>/node_modules/is-promise/index.js',
    // The same of ws for the Kubernetes client and for Socket.IO's server.
    '^(isomorphic-)?ws$': '<rootDir>/node_modules/ws/index.js',
  },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.cache/', '<rootDir>/.data/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2023',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  setupFiles: ['reflect-metadata'],
  globalSetup: '<rootDir>/test/support/jest.global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/jest.global-teardown.mjs',
  // A busy machine is no defect: what hangs is told by this, what is slow by the bench.
  testTimeout: 20_000,
  coverageProvider: 'v8',
  workerIdleMemoryLimit: '1GB',
};
