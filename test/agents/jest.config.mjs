import system from '../e2e/jest.config.mjs';

/** The main job with the real agent programs: whole systems, one agent after the other. */
export default {
  ...system,
  testMatch: ['<rootDir>/test/agents/src/**/*.e2e-spec.ts'],
  testTimeout: 180_000,
};
