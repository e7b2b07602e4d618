// Projects in the window: found in a folder, opened, filled in, run, run again; environments; the watch. Everything is
// done by real processes on real folders.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, open, test } from './slipway'

const MLPROJECT = `name: wine
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      rows: int
    command: "sh train.sh {alpha} {rows}"
  check:
    command: "sh -c 'echo checked'"
`
const SCRIPT = `import argparse
p = argparse.ArgumentParser(description="Prints what it was given.")
p.add_argument("--depth", type=int, default=3, help="levels of a tree")
p.add_argument("--kind", choices=["gbm", "forest"], default="gbm")
p.add_argument("--fast", action="store_true")
`

let folder: string
test.beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-wine-')))
  writeFileSync(join(folder, 'MLproject'), MLPROJECT)
  writeFileSync(join(folder, 'train.sh'), 'echo "alpha $1 rows $2"\n')
  writeFileSync(join(folder, 'tool.py'), SCRIPT)
  mkdirSync(join(folder, 'notebooks'))
  writeFileSync(
    join(folder, 'notebooks/eda.ipynb'),
    JSON.stringify({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  )
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const project = (more = '') => `/project?at=${encodeURIComponent(folder)}${more}`

async function accessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([])
  }
}

test('a folder is looked into, all of it is listed, and what can be opened is opened at once', async ({
  page,
}) => {
  await open(page, `/inspect?path=${encodeURIComponent(folder)}`)
  await expect(page.getByText('wine; entry points main(alpha, rows), check')).toBeVisible()
  await expect(page.getByRole('checkbox')).toHaveCount(2)
  await expect(
    page.getByText('Notebooks can be looked at among the artifacts', { exact: false }),
  ).toBeVisible()
  await accessible(page)
  const accept = page.getByRole('button', { name: 'Open 1 project' })
  await expect(accept).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('wine')
  await open(page, '/projects')
  const card = page.getByRole('listitem').filter({ hasText: folder })
  await expect(card.getByRole('link', { name: 'check', exact: true })).toBeVisible()
  await expect(card).toContainText('2 entry points · 1 script')
  await expect(card).toContainText('not run yet')
  await accessible(page)
})

test('values are checked before anything starts; the plan says exactly what runs; it is run, and run again', async ({
  page,
}) => {
  await open(page, project())
  const run = page.getByRole('button', { name: 'Run', exact: true })
  await expect(page.getByRole('status').filter({ hasText: 'rows needs a value.' })).toBeVisible()
  await expect(run).toBeDisabled()
  await page.getByLabel('rows', { exact: false }).fill('many')
  await expect(page.getByText('A whole number.')).toBeVisible()
  await page.getByLabel('rows', { exact: false }).fill('12')
  await page.getByLabel('alpha', { exact: false }).fill('0.25')
  const preview = page.getByRole('region', { name: 'What will run' })
  await expect(preview.locator('pre')).toHaveText('sh train.sh 0.25 12')
  await expect(preview).toContainText(folder)
  await expect(preview).toContainText('rows = 12')
  await accessible(page)
  await run.click()
  await expect(page.getByTestId('log-lines')).toContainText('alpha 0.25 rows 12')
  await expect(page.locator('header .state').first()).toHaveText('succeeded')
  await page.getByRole('link', { name: 'Clone with edits…' }).click()
  await expect(page.getByLabel('alpha', { exact: false })).toHaveValue('0.25')
  await expect(page.getByLabel('rows', { exact: false })).toHaveValue('12')
  await page.getByRole('tab', { name: /^Runs/ }).click()
  await page.getByRole('tabpanel').getByRole('link').first().click()
  // Exactly the same, although the folder is another by now.
  writeFileSync(join(folder, 'train.sh'), 'echo changed\n')
  await page.getByRole('button', { name: 'Run again exactly' }).click()
  await expect(page.getByTestId('log-lines')).toContainText('alpha 0.25 rows 12')
  await expect(page.locator('header .state').first()).toHaveText('succeeded')
})

test('a script gets a form from its source, and shell characters stay one word', async ({ page }) => {
  await open(page, project('&entry=tool.py'))
  await expect(page.getByText('Prints what it was given.')).toBeVisible()
  await page.getByLabel('depth', { exact: false }).fill('5')
  await page.getByLabel('kind', { exact: false }).selectOption('forest')
  await page.getByLabel('fast').check()
  await page.getByText('Further parameters').press('Enter')
  await page.getByLabel('Further parameters, one name=value a line').fill('note=a b; $(id)')
  await expect(page.getByRole('region', { name: 'What will run' }).locator('pre')).toHaveText(
    "python tool.py --depth 5 --kind forest --fast --note 'a b; $(id)'",
  )
})

test('new files and a broken MLproject show up by themselves', async ({ page }) => {
  await open(page, project())
  await page.getByRole('button', { name: 'Keep it open' }).click()
  await expect(page.getByText('follows changes')).toBeVisible()
  writeFileSync(join(folder, 'later.py'), SCRIPT)
  await expect(page.getByRole('button', { name: /^later\.py/ })).toBeVisible()
  writeFileSync(join(folder, 'MLproject'), 'entry_points: [')
  await expect(page.getByRole('alert').first()).toContainText('line')
  await page.getByRole('button', { name: 'Close' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Projects')
})

test('an environment is made with its log in sight, and what cannot be made says why', async ({ page }) => {
  writeFileSync(join(folder, 'requirements.txt'), 'slipway-no-such-package-here==999\n')
  await open(page, project('&tab=environments'))
  await page.getByRole('button', { name: 'Make it now' }).click()
  const log = page.getByRole('region', { name: 'Log of the environment' })
  await expect(log.locator('.state')).toHaveText('failed', { timeout: 40_000 })
  await expect(log).toContainText('slipway-no-such-package-here')
  await open(page, '/environments')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Environments')
  await accessible(page)
})
