import root from '../../jest.config.mjs';

/**
 * The system suites: Capstan as a person runs it, from what was built, one launcher and one forge per file. They bring
 * their own servers, so there is no global set-up.
 */
const shared = { ...root };
delete shared.globalSetup;
delete shared.globalTeardown;

export default {
  ...shared,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/e2e/src/**/*.e2e-spec.ts'],
  testTimeout: 120_000,
};
