import { expect, experimentId, open, rows, table, test } from './slipway'

test('the palette finds a run and goes there', async ({ page }) => {
  const id = await experimentId('fraud-detection')
  const { rows: runs } = await table({ experiment_ids: [id] })
  const run = runs[0]
  if (!run) throw new Error('the training left no run')
  await open(page, '/home')
  await expect(page.getByRole('heading', { name: 'Recent runs' })).toBeVisible()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill(run.run_id.slice(0, 12))
  await expect(page.getByRole('option', { name: run.name }).first()).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: run.name })).toBeVisible()
})

test('keys: sheet, panes, theme and density', async ({ page }) => {
  await open(page, '/runs')
  await expect(rows(page).first()).toBeVisible()
  await page.locator('body').press('?')
  await expect(page.getByRole('dialog')).toContainText('Focus the filter')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toBeHidden()
  await page.keyboard.press('/')
  await expect(page.getByRole('combobox', { name: 'Filter runs' })).toBeFocused()
  const before = await page.evaluate(() => document.activeElement?.closest('[data-pane]')?.className)
  await page.keyboard.press('F6')
  expect(await page.evaluate(() => document.activeElement?.closest('[data-pane]')?.className)).not.toBe(
    before,
  )

  await open(page, '/settings')
  await page.getByRole('radio', { name: 'Dark' }).check()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await page.getByRole('radio', { name: 'Like the system' }).check()
  await page.emulateMedia({ colorScheme: 'dark' })
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light')
  await page.getByRole('radio', { name: /Compact/ }).check()
  await open(page, '/runs')
  await expect.poll(async () => (await rows(page).first().boundingBox())?.height).toBe(24)
  await open(page, '/settings')
  await page.getByRole('radio', { name: /Normal/ }).check()
})

test('the splitter moves by pointer and by key, and the layout by key', async ({ page }) => {
  await open(page, '/runs')
  await expect(rows(page).first()).toBeVisible()
  const splitter = page.getByRole('separator', { name: 'Width of the table' })
  const at = async () => Number(await splitter.getAttribute('aria-valuenow'))
  const before = await at()
  await splitter.focus()
  await page.keyboard.press('ArrowLeft')
  await expect.poll(at).toBe(before - 2)
  const box = await splitter.boundingBox()
  if (!box) throw new Error('the splitter has no size')
  await page.mouse.move(box.x, 400)
  await page.mouse.down()
  await page.mouse.move(box.x + 200, 400, { steps: 4 })
  await page.mouse.up()
  await expect.poll(at).toBeGreaterThan(before + 5)
  await page.locator('body').press('v')
  await page.locator('body').press('1')
  await expect(splitter).toBeHidden()
})

test('a folder is looked into by its path', async ({ page }) => {
  await open(
    page,
    `/inspect?path=${encodeURIComponent(new URL('../../../examples/fraud-detection', import.meta.url).pathname)}`,
  )
  await expect(page.getByText('Slipway has only looked.')).toBeVisible()
  await expect(page.locator('.sheet li').first()).toBeVisible()
  await open(page, '/inspect?path=%2Fno%2Fsuch%2Ffolder')
  await expect(page.getByRole('alert')).toContainText('/no/such/folder')
})
