// What cells show besides numbers, the size of charts, and what the filter language knows.

import { chart, expect, logMetric, mlflow, newExperiment, newRun, open, rows, test } from './slipway'

test('metrics are shaded by how good they are, and show their curves while they grow', async ({ page }) => {
  const experiment = await newExperiment('shading')
  const ids: string[] = []
  for (const last of [0.2, 0.6, 1]) {
    const run = await newRun(experiment, `ends at ${last}`)
    ids.push(run)
    for (const [step, value] of [2, 1.5, last].entries()) await logMetric(run, 'loss', value, step)
  }
  await open(page, `/runs?experiments=${experiment}&layout=1&cols=m:loss@120`)
  const cell = (i: number) =>
    rows(page)
      .and(page.locator(`[data-run="${ids[i] ?? ''}"]`))
      .locator('[data-col="4"]')
  const shade = (i: number) => cell(i).evaluate((element) => getComputedStyle(element).backgroundColor)
  await expect(cell(0)).toHaveText('0.2')
  expect(await shade(0)).toBe('rgba(0, 0, 0, 0)')

  await page.getByRole('button', { name: 'What the table shows' }).click()
  await page.getByRole('menuitemcheckbox', { name: /Shade metrics/ }).click()
  await page.keyboard.press('Escape')
  // A loss is best when it is low: the first run is shaded most, the last one not at all.
  await expect(cell(0)).toHaveClass(/warm/)
  await expect(cell(1)).toHaveClass(/warm/)
  await expect(cell(2)).not.toHaveClass(/warm/)
  const strength = (i: number) =>
    cell(i).evaluate((element) => parseInt(element.style.getPropertyValue('--warmth')))
  expect(await strength(0)).toBe(30)
  expect(await strength(1)).toBe(15)
  expect(await shade(0)).not.toBe(await shade(1))
  await expect(page).toHaveURL(/heat=1/)

  await page.getByRole('columnheader', { name: /loss/ }).click({ button: 'right' })
  await page.getByRole('menuitem', { name: 'Show curves' }).click()
  const curve = cell(0).locator('svg.spark path')
  await expect(curve).toHaveAttribute('d', 'M1.0 2.0L30.0 5.3L59.0 14.0')
  await logMetric(ids[0] ?? '', 'loss', 2, 3)
  await expect(curve).toHaveAttribute('d', /L59\.0 2\.0$/)
})

test('a chart is resized by its corner, with the pointer and with keys', async ({ page }) => {
  const experiment = await newExperiment('corner')
  const run = await newRun(experiment, 'one')
  for (const metric of ['a', 'b']) for (const step of [0, 1, 2]) await logMetric(run, metric, step, step)
  await open(page, `/runs?experiments=${experiment}&layout=3`)
  const frame = page.locator('[data-chart="metric:a"]')
  await expect(chart(page, 'a')).toBeVisible()
  const before = await frame.boundingBox()
  if (!before) throw new Error('the chart has no size')
  const corner = frame.getByRole('button', { name: /^Size of chart a: 1 wide, 1 tall/ })
  await corner.hover()
  const grip = await corner.boundingBox()
  if (!grip) throw new Error('the corner has no place')
  await page.mouse.move(grip.x + 12, grip.y + 12)
  await page.mouse.down()
  await page.mouse.move(grip.x + 12 + before.width, grip.y + 12 + before.height, { steps: 5 })
  await page.mouse.up()
  const larger = frame.getByRole('button', { name: /^Size of chart a: 2 wide, 2 tall/ })
  await expect(larger).toBeVisible()
  const after = await frame.boundingBox()
  expect(after?.width).toBeGreaterThan(before.width * 1.9)
  expect(after?.height).toBeGreaterThan(before.height * 1.9)
  await larger.focus()
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowUp')
  await expect(frame.getByRole('button', { name: /: 1 wide, 1 tall/ })).toBeFocused()
  expect((await frame.boundingBox())?.width).toBeCloseTo(before.width, 0)
})

test('the filter knows ranges, lists, ages and what was meant', async ({ page }) => {
  const experiment = await newExperiment('language')
  for (const [name, loss, lr] of [
    ['low', 0.1, '0.001'],
    ['middle', 0.5, '0.01'],
    ['high', 0.9, '0.1'],
  ] as const) {
    const run = await newRun(experiment, name)
    await logMetric(run, 'val_loss', loss, 0)
    await mlflow('runs/log-batch', { run_id: run, params: [{ key: 'lr', value: lr }] })
  }
  const shown = async (filter: string) => {
    await open(page, `/runs?experiments=${experiment}&filter=${encodeURIComponent(filter)}`)
    return rows(page)
  }
  await expect(await shown('metrics.val_loss between 0.1 and 0.5')).toHaveCount(2)
  await expect(await shown('params.lr in [0.001, 0.1] and started > -1h')).toHaveCount(2)
  await expect(await shown("state = 'running' and name not in ['low']")).toHaveCount(2)
  await expect(await shown('started < -1h')).toHaveCount(0)
  await shown('val_los < 1')
  await expect(page.getByText('did you mean metrics.val_loss?')).toBeVisible()
})
