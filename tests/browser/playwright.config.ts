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
