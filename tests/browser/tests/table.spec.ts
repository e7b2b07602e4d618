// The table of runs: baseline, pins, groups, bulk changes, what is offered while a filter is written.

import type { Page } from '@playwright/test'
import { expect, mlflow, names, newExperiment, newRun, open, rows, table, test } from './slipway'

/** Two optimizers with three seeds each; the loss falls with the seed. */
async function study(name: string): Promise<{ id: string; runs: string[] }> {
  const id = await newExperiment(name)
  const runs: string[] = []
  for (let i = 0; i < 6; i++) {
    const run = await newRun(id, `seed-${i}`)
    const optimizer = i < 3 ? 'adamw' : 'sgd'
    const metrics = [0, 1, 2].map((step) => {
      // The best value is not the last one.
      const value = step === 1 ? 0.5 - i / 20 : 0.9
      return { key: 'val_loss', value, step, timestamp: Date.now() }
    })
    const params = [
      { key: 'optimizer', value: optimizer },
      { key: 'lr', value: String(10 ** (i - 6)) },
      { key: 'same', value: 'for all' },
    ]
    await mlflow('runs/log-batch', { run_id: run, params, metrics, tags: [{ key: 'team', value: 'vision' }] })
    runs.push(run)
  }
  return { id, runs }
}

const row = (page: Page, run: string | undefined) => page.locator(`.body [data-run="${run}"]`)
const cell = (page: Page, run: string | undefined, col: number) =>
  row(page, run).locator(`[data-col="${col}"]`)
const toolbar = (page: Page) => page.getByRole('toolbar', { name: 'Selected runs' })

test('a baseline stands at the top, and cells say how they differ from it, in words as well', async ({
  page,
}) => {
  const { id, runs } = await study('baseline')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=m:val_loss:min`)
  await cell(page, runs[2], 3).focus()
  await page.keyboard.press('b')
  const top = page.getByRole('rowgroup', { name: 'Baseline and pinned runs' })
  await expect(top.getByRole('row')).toHaveCount(1)
  await expect(top).toContainText('seed-2')
  // 0.4 is the baseline; lower is better by the name of the metric.
  await expect(cell(page, runs[3], 4)).toContainText('▼ 0.05, 0.05 lower than the baseline, better')
  await expect(cell(page, runs[0], 4)).toContainText('▲ 0.1, 0.1 higher than the baseline, worse')
  // The other way round when somebody says so, and what was best follows.
  const head = page.getByRole('columnheader', { name: 'val_loss, best, min' })
  await head.hover()
  await page.getByRole('button', { name: 'Menu of column val_loss' }).click()
  await page.getByRole('menuitemradio', { name: 'Higher is better' }).click()
  await expect(page.getByRole('columnheader', { name: 'val_loss, best, max' })).toBeVisible()
  // The cursor stayed on its run although a row came above it.
  await cell(page, runs[2], 3).focus()
  await page.keyboard.press('b')
  await expect(top).toHaveCount(0)
})

test('pinned runs stay at the top whatever the filter, and undo takes the pin away', async ({ page }) => {
  const { id, runs } = await study('pins')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1`)
  await cell(page, runs[0], 3).focus()
  await page.keyboard.press('p')
  await page.getByRole('combobox', { name: 'Filter runs' }).fill("params.optimizer = 'sgd'")
  await expect.poll(() => names(page)).toEqual(['seed-0', 'seed-5', 'seed-4', 'seed-3'])
  // The filter is a place to go back to; the pin is a step to undo.
  await page.goBack()
  await expect.poll(async () => (await names(page)).length).toBe(7)
  await page.goForward()
  await expect.poll(async () => (await names(page)).length).toBe(4)
  await cell(page, runs[4], 3).focus()
  await page.keyboard.press('Control+z')
  await expect.poll(async () => (await names(page)).length).toBe(7)
  await page.keyboard.press('Control+z')
  await expect.poll(async () => (await names(page)).length).toBe(6)
})

test('peek shows the run under the cursor, and follows it', async ({ page }) => {
  const { id, runs } = await study('peek')
  await open(page, `/runs?experiments=${id}&flat=1`)
  await cell(page, runs[5], 3).focus()
  await page.keyboard.press('Space')
  const peek = page.getByRole('complementary', { name: 'Peek' })
  await expect(peek).toContainText('seed-5')
  await expect(peek).toContainText('0.25 @ 1')
  await page.keyboard.press('ArrowDown')
  await expect(peek).toContainText('seed-4')
  await expect(peek).toContainText('team vision')
  await page.keyboard.press('Space')
  await expect(peek).toHaveCount(0)
})

test('groups show mean and spread, open to their members, and select them', async ({ page }) => {
  const { id } = await study('groups')
  await open(page, `/runs?experiments=${id}&layout=1&cols=m:val_loss:min`)
  await page.getByRole('button', { name: 'Group', exact: true }).click()
  await page.getByRole('checkbox', { name: 'optimizer' }).check()
  await page.keyboard.press('Escape')
  const groups = page.locator('.body [role=row]')
  await expect(groups).toHaveCount(2)
  await expect(groups.filter({ hasText: 'adamw' })).toContainText('n=3')
  await expect(groups.filter({ hasText: 'adamw' })).toContainText('0.45 ± 0.05')
  await expect(groups.filter({ hasText: 'sgd' })).toContainText('0.3 ± 0.05')
  await page.getByRole('button', { name: 'Expand the group, 3 runs' }).first().click()
  await expect(rows(page)).toHaveCount(3)
  await groups.first().getByRole('checkbox').click()
  await expect(toolbar(page)).toContainText('3 runs selected')
})

test('many runs are tagged and archived at once, and that is taken back', async ({ page }) => {
  const { id, runs } = await study('bulk')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=t:round`)
  await cell(page, runs[0], 3).focus()
  await page.keyboard.press('Control+a')
  await expect(toolbar(page)).toContainText('6 runs selected')
  await row(page, runs[1]).getByRole('checkbox').click()
  await expect(toolbar(page)).toContainText('5 runs selected')
  await toolbar(page).getByRole('button', { name: 'Tag' }).click()
  await page.getByRole('combobox', { name: 'Key of the tag' }).fill('round')
  await page.getByRole('textbox', { name: 'Value of the tag' }).fill('two')
  await page.getByRole('button', { name: 'Set', exact: true }).click()
  const tagged = async () =>
    (await table({ experiment_ids: [id], filter: "tags.round = 'two'" })).rows
      .map((found) => found.name)
      .sort()
  await expect.poll(tagged).toEqual(['seed-0', 'seed-2', 'seed-3', 'seed-4', 'seed-5'])
  await expect(cell(page, runs[0], 4)).toHaveText('two')
  await page.getByRole('status').getByRole('button', { name: 'Undo' }).click()
  await expect.poll(tagged).toEqual([])
  await cell(page, runs[3], 3).focus()
  await page.keyboard.press('Delete')
  await expect(row(page, runs[3])).toHaveCount(0)
  await page.getByRole('button', { name: 'What the table shows' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'Archived runs as well' }).click()
  await expect(row(page, runs[3])).toBeVisible()
})

test('notes and tags are written where the run stands', async ({ page }) => {
  const { id, runs } = await study('notes')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=a:note,t:quality`)
  await cell(page, runs[0], 3).focus()
  await page.keyboard.press('m')
  await page.getByRole('textbox', { name: 'Notes in Markdown' }).fill('worth a second look')
  await page.keyboard.press('Control+Enter')
  await expect(cell(page, runs[0], 4)).toHaveText('worth a second look')
  await page.keyboard.press('t')
  await page.getByRole('combobox', { name: 'New tag' }).fill('quality: good')
  await page.keyboard.press('Enter')
  await expect(cell(page, runs[0], 5)).toHaveText('good')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+z')
  await expect(cell(page, runs[0], 5)).toHaveText('–')
})

test('the filter box offers keys and values, and looks for plain words and patterns', async ({ page }) => {
  const { id } = await study('suggest')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1`)
  const box = page.getByRole('combobox', { name: 'Filter runs' })
  await box.click()
  await box.pressSequentially('optim')
  await page.getByRole('option', { name: /params\.optimizer/ }).waitFor()
  await page.keyboard.press('Tab')
  await expect(box).toHaveValue(/^params\.optimizer /)
  await box.pressSequentially('= ')
  await expect(page.getByRole('option', { name: /sgd/ })).toContainText('3')
  await page.getByRole('option', { name: /sgd/ }).click()
  await expect(box).toHaveValue("params.optimizer = 'sgd' ")
  await page.keyboard.press('Enter')
  await expect.poll(() => names(page)).toEqual(['seed-5', 'seed-4', 'seed-3'])
  await box.fill('/seed-[01]$/')
  await page.keyboard.press('Enter')
  await expect.poll(() => names(page)).toEqual(['seed-1', 'seed-0'])
})

test('an empty table names the part of the filter that empties it', async ({ page }) => {
  const { id } = await study('empty')
  const filter = "params.optimizer = 'sgd' and metrics.val_loss < 0"
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&filter=${encodeURIComponent(filter)}`)
  await expect(page.getByText('0 of 6 runs.')).toBeVisible()
  await expect(page.getByText('there are 3.')).toBeVisible()
  await page.getByRole('button', { name: 'Remove metrics.val_loss < 0' }).click()
  await expect.poll(async () => (await names(page)).length).toBe(3)
})

test('only columns in which the runs differ', async ({ page }) => {
  const { id } = await study('differing')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=p:same,p:optimizer,p:lr`)
  await expect(page.locator('[data-column=same]')).toBeVisible()
  await page.locator('.body [data-col="3"]').first().focus()
  await page.keyboard.press('Shift+D')
  await expect(page.locator('[data-column=same]')).toHaveCount(0)
  await expect(page.locator('[data-column=optimizer]')).toBeVisible()
})

test('whole branches of columns are chosen, and the chosen ones sorted by key', async ({ page }) => {
  const id = await newExperiment('branches')
  const run = await newRun(id, 'one')
  const params = ['net.width', 'net.depth', 'net.act', 'lr'].map((key) => ({ key, value: '1' }))
  await mlflow('runs/log-batch', { run_id: run, params })
  await open(page, `/runs?experiments=${id}&layout=1&cols=p:lr`)
  await page.getByRole('button', { name: 'Columns', exact: true }).click()
  await page.getByRole('checkbox', { name: /^net\. 0 of 3/ }).check()
  await expect(page.locator('[data-column="net.width"]')).toBeVisible()
  await page.getByRole('button', { name: 'Order of 4' }).click()
  await page.getByRole('group', { name: /^lr, 1 of 4/ }).focus()
  await page.keyboard.press('Alt+ArrowDown')
  await expect(page.locator('[role=columnheader][data-column=lr]')).toHaveAttribute('aria-colindex', '5')
})

test('colours say a value, from one end of the scale to the other', async ({ page }) => {
  const { id, runs } = await study('colours')
  await open(page, `/runs?experiments=${id}&flat=1&colour=p:lr`)
  const stroke = (run: string | undefined) => row(page, run).locator('.name line').getAttribute('stroke')
  await expect.poll(() => stroke(runs[0])).toBe('var(--ramp-1)')
  await expect.poll(() => stroke(runs[5])).toBe('var(--ramp-16)')
})

test('a value at a step', async ({ page }) => {
  const { id, runs } = await study('step')
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=m:val_loss`)
  await expect(cell(page, runs[0], 4)).toHaveText('0.9')
  await page.getByRole('columnheader', { name: 'val_loss, last' }).hover()
  await page.getByRole('button', { name: 'Menu of column val_loss' }).click()
  await page.getByRole('spinbutton', { name: 'At step' }).fill('1')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('columnheader', { name: 'val_loss, at' })).toBeVisible()
  await expect(cell(page, runs[0], 4)).toHaveText('0.5')
})
