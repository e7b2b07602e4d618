import { expect, mlflow, newExperiment, newRun, logMetric, open, test } from './slipway'

/** Two runs of one experiment and one of another, with what differs known. */
async function three(): Promise<string[]> {
  const [one, two] = [await newExperiment('compare'), await newExperiment('compare other')]
  const ids = [await newRun(one, 'base'), await newRun(one, 'faster'), await newRun(two, 'elsewhere')]
  const rates = ['0.001', '0.01', '0.001']
  const losses = [0.5, 0.4, 0.7]
  for (const [i, run_id] of ids.entries()) {
    await mlflow('runs/log-batch', {
      run_id,
      params: [
        { key: 'opt.lr', value: rates[i] },
        { key: 'opt.name', value: 'adam' },
        { key: 'config', value: JSON.stringify({ model: { layers: i + 1, act: 'relu' } }) },
        { key: 'notes', value: `line one\nline two of ${i}\nline three` },
      ],
    })
    await logMetric(run_id, 'val_loss', losses[i] ?? 0, 1)
    await logMetric(run_id, 'val_loss', (losses[i] ?? 0) + 0.1, 2)
  }
  return ids
}

test('runs of two experiments side by side: differences, nested keys, deltas', async ({ page }) => {
  const ids = await three()
  await open(page, `/compare?runs=${ids.join(',')}`)
  const grid = page.getByRole('grid', { name: 'Comparison' })
  await expect(grid.getByRole('columnheader')).toHaveCount(4)
  const row = (key: string) =>
    grid.getByRole('row').filter({ has: page.getByRole('rowheader', { name: key, exact: true }) })
  await expect(row('opt.lr').getByRole('gridcell')).toHaveText(['0.001', /0\.01/, '0.001'])
  await expect(row('opt.lr').getByRole('gridcell').nth(1)).toContainText('differs')
  await expect(row('name')).toHaveCount(0)
  await expect(row('config.model.layers').getByRole('gridcell')).toHaveCount(3)
  // A lower loss is better: the best of each run, and how far it is from the baseline's.
  await expect(row('val_loss').getByRole('gridcell').nth(0)).toHaveText('0.5')
  await expect(row('val_loss').getByRole('gridcell').nth(1)).toContainText('▼ 0.1 better')
  await expect(row('val_loss').getByRole('gridcell').nth(2)).toContainText('▲ 0.2 worse')

  await grid.focus()
  await page.keyboard.press('Shift+D')
  await expect(row('name').getByRole('gridcell')).toHaveText(['adam', 'adam', 'adam'])

  await page.getByRole('searchbox', { name: 'Find a key' }).fill('opt')
  await expect(row('val_loss')).toHaveCount(0)
  await expect(row('lr')).toBeVisible()
})

test('another baseline, a closed section, and the address keeps them', async ({ page }) => {
  const ids = await three()
  await open(page, `/compare?runs=${ids.join(',')}`)
  await page.getByRole('button', { name: 'Make faster the baseline' }).click()
  await expect(page.getByRole('columnheader').nth(1)).toContainText('faster')
  await expect(page.getByRole('columnheader').nth(1)).toContainText('baseline')
  await expect(page.getByRole('rowheader', { name: 'opt.lr', exact: true })).toBeVisible()
  await page.getByRole('rowheader', { name: /^Params/ }).click()
  await expect(page.getByRole('rowheader', { name: 'opt.lr', exact: true })).toHaveCount(0)
  await page.reload()
  await expect(page.getByRole('columnheader').nth(1)).toContainText('faster')
  await expect(page.getByRole('rowheader', { name: /^Params/ })).toHaveAttribute('aria-expanded', 'false')
})

test('long texts differ line by line, with the keyboard alone', async ({ page }) => {
  const ids = await three()
  await open(page, `/compare?runs=${ids.join(',')}&q=notes`)
  await page.locator('#compare--1-1').focus()
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'Enter']) await page.keyboard.press(key)
  const dialog = page.getByRole('dialog')
  await expect(dialog.locator('tr.removed .text')).toHaveText(['line two of 0'])
  await expect(dialog.locator('tr.added .text')).toHaveText(['line two of 1'])
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
  await expect(page.locator('[role=gridcell]:focus')).toHaveCount(1)
})

test('the comparison as a file: every run, the numbers on screen', async ({ page }) => {
  const ids = await three()
  await open(page, `/compare?runs=${ids.join(',')}`)
  await page.getByRole('button', { name: 'Export' }).click()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'Save as CSV' }).click(),
  ])
  expect(download.suggestedFilename()).toBe('comparison.csv')
  const stream = await download.createReadStream()
  let text = ''
  for await (const piece of stream) text += String(piece)
  expect(text.split('\r\n')[0]).toBe('section,key,base,faster,elsewhere')
  expect(text).toContain('params,opt.lr,0.001,0.01,0.001')
  expect(text).toContain('metrics,val_loss,0.5,0.4,0.7')
  expect(text).toContain('"line one\nline two of 1\nline three"')
})

test('two hundred runs scroll sideways', async ({ page }) => {
  const experiment = await newExperiment('compare many')
  const ids: string[] = []
  for (let i = 0; i < 200; i += 1) {
    const run_id = await newRun(experiment, `run ${i}`)
    await mlflow('runs/log-batch', { run_id, params: [{ key: 'i', value: String(i) }] })
    ids.push(run_id)
  }
  await open(page, `/compare?runs=${ids.join(',')}`)
  const grid = page.getByRole('grid', { name: 'Comparison' })
  await expect(grid).toHaveAttribute('aria-colcount', '201')
  await expect(grid.getByRole('columnheader', { name: /run 1/ }).first()).toBeVisible()
  await grid.evaluate((element) => (element.scrollLeft = element.scrollWidth))
  await expect(grid.getByRole('columnheader').filter({ hasText: 'run 199' })).toBeVisible()
  await expect(grid.getByRole('gridcell').filter({ hasText: '199' })).toBeVisible()
  expect(await grid.getByRole('columnheader').count()).toBeLessThan(20)
})
