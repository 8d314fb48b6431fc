import { defineConfig } from '@playwright/test';

/** The browser suite: one Capstan, one forge, one browser, in the order in which a person would come by. */
export default defineConfig({
  testDir: 'browser',
  testMatch: '**/*.pw.ts',
  outputDir: '../../test-results/browser',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CAPSTAN_TEST_CHROMIUM,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    },
  },
});
