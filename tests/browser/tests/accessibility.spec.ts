import { faultsOf } from './faults'
import { chart, expect, experimentId, open, rows, table, test } from './slipway'

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    test('welcome', async ({ page }) => {
      await open(page, '/welcome')
      await expect(page.getByRole('tabpanel')).toBeVisible()
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme)
      expect(await faultsOf(page)).toEqual([])
    })

    test('home', async ({ page }) => {
      await open(page, '/home')
      await expect(page.getByRole('heading', { name: 'Recent runs' })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })

    test('runs, with a selection, a menu and a bad filter', async ({ page }) => {
      const id = await experimentId('fraud-detection')
      await open(page, `/runs?experiments=${id}`)
      await expect(chart(page, 'val_loss')).toContainText('runs')
      await rows(page).nth(1).getByRole('checkbox').click()
      expect(await faultsOf(page)).toEqual([])
      await page.getByRole('button', { name: 'Columns', exact: true }).click()
      await expect(page.getByRole('searchbox', { name: 'Find a column' })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.keyboard.press('Escape')
      await page.getByRole('combobox', { name: 'Filter runs' }).fill('nonsense ==')
      await expect(page.locator('#filter-problem')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })

    test('a chart as a table and on the full screen', async ({ page }) => {
      const id = await experimentId('fraud-detection')
      await open(page, `/runs?experiments=${id}&layout=3`)
      await expect(chart(page, 'val_loss')).toContainText('runs')
      await chart(page, 'val_loss').focus()
      await page.keyboard.press('t')
      await expect(page.getByRole('region', { name: 'Values of val_loss' })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.keyboard.press('f')
      await expect(page.getByRole('dialog')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })

    test('a run: overview, charts and artifacts', async ({ page }) => {
      const id = await experimentId('fraud-detection')
      const { rows: runs } = await table({ experiment_ids: [id], filter: 'metrics.val_loss < 1000' })
      const run = runs[0]?.run_id ?? ''
      await open(page, `/run/${run}`)
      await expect(page.getByRole('heading', { name: /^Metrics/ })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.getByRole('tab', { name: /^Charts/ }).click()
      await expect(chart(page, 'val_loss')).toContainText('1 run')
      expect(await faultsOf(page)).toEqual([])
      await page.getByRole('tab', { name: 'Artifacts' }).click()
      await page.getByRole('treeitem', { name: /figures/ }).click()
      await page.getByRole('treeitem', { name: /\.png/ }).first().click()
      await expect(page.getByTestId('artifact-image')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })

    test('settings, palette, keys and the screen without a token', async ({ page }) => {
      await open(page, '/settings')
      await expect(page.getByRole('heading', { name: 'Looks' })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.keyboard.press('Control+k')
      await expect(page.getByRole('option').first()).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.keyboard.press('Escape')
      await expect(page.getByRole('dialog')).toBeHidden()
      await page.locator('body').press('?')
      await expect(page.getByRole('dialog')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await page.evaluate(() => sessionStorage.clear())
      await page.reload()
      await expect(page.getByRole('heading', { name: 'This page needs its link' })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })
  })
}
