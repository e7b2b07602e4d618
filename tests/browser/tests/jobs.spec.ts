// Jobs in the window: real commands, started from the form, followed, ended, cloned.

import AxeBuilder from '@axe-core/playwright'
import { expect, open, test } from './slipway'

test('a command is filled in, looked at, run and followed to its end', async ({ page }) => {
  await open(page, '/jobs/new')
  const run = page.getByRole('button', { name: 'Run', exact: true })
  await expect(run).toBeDisabled()
  await page.getByLabel('Command').fill(`sh -c 'echo hello from a job; exit 3'`)
  await page.getByLabel('Memory').fill('much')
  await expect(page.getByText('A size, e.g. 4 GB.')).toBeVisible()
  await expect(run).toBeDisabled()
  await page.getByLabel('Memory').fill('')
  const preview = page.getByRole('region', { name: 'What will run' })
  await expect(preview.locator('code.word')).toHaveText(['sh', '-c', 'echo hello from a job; exit 3'])
  await run.click()
  await expect(page.getByTestId('log-lines')).toContainText('hello from a job')
  await expect(page.locator('header .state').first()).toHaveText('failed')
  await expect(
    page.getByRole('complementary', { name: 'What is run' }).getByText('exit 3', { exact: true }),
  ).toBeVisible()
  await page.getByRole('link', { name: 'Clone with edits…' }).click()
  await expect(page.getByLabel('Command')).toHaveValue(/hello from a job/)
})

test('a job is ended, and the list says so by itself', async ({ page }) => {
  const name = `sleeper ${Date.now().toString(36)}`
  await open(page, '/jobs/new')
  await page.getByLabel('Command').fill('sleep 60')
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.locator('header .state').first()).toHaveText('running')
  await page.getByRole('button', { name: 'End' }).click()
  await expect(page.locator('header .state').first()).toHaveText('canceled', { timeout: 15_000 })
  await open(page, '/jobs?state=canceled')
  await expect(page.getByRole('row').filter({ hasText: name })).toContainText('canceled')
})

test('the queue is paused and goes on; nothing is against the rules of access', async ({ page }) => {
  await open(page, '/jobs')
  const queue = page.getByRole('complementary', { name: 'Queue and machine' })
  await queue.getByRole('button', { name: 'Pause' }).click()
  await expect(queue.getByText('Paused: nothing is started.')).toBeVisible()
  await queue.getByRole('button', { name: 'Resume' }).click()
  await expect(queue.getByText('Jobs are started.')).toBeVisible()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const place of ['/jobs', '/jobs/new']) {
      await open(page, place)
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([])
    }
  }
})
