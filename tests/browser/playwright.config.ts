import { defineConfig } from '@playwright/test'

// The tests look at a server that already runs and already holds the runs of the worked example.
export default defineConfig({
  testDir: './tests',
  timeout: 45_000,
  expect: { timeout: 10_000 },
  // One browser at a time: the tests share the server, and some of them write to it.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  // A test that fails once and then passes is named as flaky and does not fail the whole run: a busy machine may be slow
  // anywhere. On a developer's machine it fails.
  retries: process.env.CI ? 1 : 0,
  reporter: [['list']],
  outputDir: 'test-results',
  // The same on every machine: see tests/snapshots.spec.ts.
  snapshotPathTemplate: 'snapshots/{arg}{ext}',
  use: {
    baseURL: process.env.SLIPWAY_URL,
    viewport: { width: 1440, height: 900 },
    screenshot: 'only-on-failure',
    actionTimeout: 10_000,
    launchOptions: {
      executablePath: process.env.SLIPWAY_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    },
  },
})
