import system from '../e2e/jest.config.mjs';

/** Hostile agents in whole systems, isolated as `npm start` isolates them. */
export default {
  ...system,
  testMatch: ['<rootDir>/test/containment/src/**/*.e2e-spec.ts'],
  testTimeout: 240_000,
};
