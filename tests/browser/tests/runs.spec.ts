import { chart, expect, experimentId, names, open, rows, table, test } from './slipway'

const EXPERIMENT = 'fraud-detection'
const METRIC = 'val_loss'

test('every run of the training is a row, children below their parent', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  const all = await table({ experiment_ids: [id] })
  expect(all.total).toBeGreaterThanOrEqual(4)
  await open(page, `/runs?experiments=${id}`)
  await expect(rows(page).first()).toBeVisible()
  // Few roots open by themselves.
  await expect
    .poll(async () => (await names(page)).toSorted())
    .toEqual(all.rows.map((row) => row.name).toSorted())
  const grid = page.getByRole('treegrid', { name: 'Runs' })
  await expect(grid).toHaveAttribute('aria-rowcount', String(all.total + 1))
  const roots = await table({ experiment_ids: [id], shape: { kind: 'roots' } })
  const parent = page.locator(`[data-run="${roots.rows[0]?.run_id}"]`)
  await expect(parent).toHaveAttribute('aria-level', '1')
  await parent.getByRole('button', { name: /^Collapse/ }).click()
  await expect.poll(async () => (await names(page)).length).toBe(roots.rows.length)
})

test('the filter narrows the table as the server says', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  const filter = `metrics.${METRIC} < 0.06`
  const expected = await table({ experiment_ids: [id], filter })
  const all = await table({ experiment_ids: [id] })
  expect(expected.total).toBeGreaterThan(0)
  expect(expected.total).toBeLessThan(all.total)
  await open(page, `/runs?experiments=${id}&flat=1`)
  await expect.poll(async () => (await names(page)).length).toBe(all.total)
  await page.getByRole('textbox', { name: 'Filter runs' }).fill(filter)
  await expect.poll(() => names(page)).toEqual(expected.rows.map((row) => row.name))
  expect(new URL(page.url()).hash).toContain('filter=')
  // The address is the view: a reload shows the same.
  await page.reload()
  await expect.poll(() => names(page)).toEqual(expected.rows.map((row) => row.name))
})

test('a bad filter is marked where it is bad, and the rows stay', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}`)
  await expect(rows(page).first()).toBeVisible()
  const before = await names(page)
  const box = page.getByRole('textbox', { name: 'Filter runs' })
  await box.fill('metrics.val_loss << 3')
  await box.press('Enter')
  await expect(page.locator('#filter-problem p').first()).not.toBeEmpty()
  await expect(box).toHaveAttribute('aria-invalid', 'true')
  const caret = await page.locator('#filter-problem .caret').textContent()
  expect(caret).toMatch(/^ +\^+$/)
  // The caret is under what follows the metric's name, not at the start or past the end.
  expect(caret?.indexOf('^')).toBeGreaterThanOrEqual('metrics.val_loss'.length)
  expect(caret?.length).toBeLessThanOrEqual('metrics.val_loss << 3'.length + 1)
  expect(await names(page)).toEqual(before)
})

test('a click on a head sorts, a second one turns it round', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  const column = { kind: 'metric', key: METRIC, reduce: 'last' }
  const order = async (descending: boolean) =>
    (await table({ experiment_ids: [id], order_by: [{ column, descending }] })).rows.map((row) => row.name)
  await open(page, `/runs?experiments=${id}&flat=1&cols=m:${METRIC}`)
  const head = page.getByRole('columnheader', { name: METRIC })
  await head.click({ position: { x: 20, y: 10 } })
  // The best end first: of a loss, that is the low one.
  await expect(head).toHaveAttribute('aria-sort', 'ascending')
  await expect.poll(() => names(page)).toEqual(await order(false))
  await head.focus()
  await head.press('Enter')
  await expect(head).toHaveAttribute('aria-sort', 'descending')
  await expect.poll(() => names(page)).toEqual(await order(true))
})

test('columns are chosen, reduced, resized, moved and pinned', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  const least = await table({
    experiment_ids: [id],
    columns: [{ kind: 'metric', key: METRIC, reduce: 'min' }],
  })
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=a:state,m:${METRIC}`)
  await page.getByRole('button', { name: 'Columns', exact: true }).click()
  await page.getByRole('searchbox', { name: 'Find a column' }).fill('threshold')
  await page.getByRole('checkbox', { name: /^threshold/ }).check()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('columnheader', { name: 'threshold, last' })).toBeVisible()

  const head = page.getByRole('columnheader', { name: `${METRIC},` })
  await head.hover()
  await page.getByRole('button', { name: `Menu of column ${METRIC}` }).click()
  await page.getByRole('menuitemradio', { name: 'Smallest value' }).click()
  await expect(page.getByRole('columnheader', { name: `${METRIC}, best, min` })).toBeVisible()
  const first = least.rows.find((row) => typeof row.cells[0] === 'number')
  const at = await head.getAttribute('aria-colindex')
  const cell = page.locator(`[data-run="${first?.run_id}"] [aria-colindex="${at}"]`)
  await expect(cell).toHaveAttribute('title', String(first?.cells[0]))

  const width = async () => (await head.boundingBox())?.width ?? 0
  const before = await width()
  await head.focus()
  await head.press('Shift+ArrowRight')
  await expect.poll(width).toBe(before + 16)
  await head.press('Alt+Shift+ArrowLeft')
  await expect(head).toHaveAttribute('aria-colindex', String(Number(at) - 1))
  await head.hover()
  await page.getByRole('button', { name: `Menu of column ${METRIC}` }).click()
  await page.getByRole('menuitem', { name: 'Pin left' }).click()
  await expect(head).toHaveAttribute('aria-colindex', '4')
  await page.reload()
  await expect(head).toHaveAttribute('aria-colindex', '4')
})

test('a column is dragged to another place and wider, and that is not a click on its head', async ({
  page,
}) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}&flat=1&cols=a:state,a:start_ms,m:${METRIC}`)
  const state = page.locator('[role=columnheader][data-column=state]')
  const started = page.locator('[role=columnheader][data-column=start_ms]')
  await expect(state).toHaveAttribute('aria-colindex', '4')
  const from = await started.boundingBox()
  const to = await state.boundingBox()
  if (!from || !to) throw new Error('the heads have no size')
  await page.mouse.move(from.x + 20, from.y + 10)
  await page.mouse.down()
  await page.mouse.move(to.x + 40, to.y + 10, { steps: 4 })
  await page.mouse.move(to.x + 8, to.y + 10, { steps: 4 })
  await page.mouse.up()
  await expect(started).toHaveAttribute('aria-colindex', '4')
  await expect(started).toHaveAttribute('aria-sort', 'none')
  const box = await state.boundingBox()
  if (!box) throw new Error('the head has no size')
  await page.mouse.move(box.x + box.width - 1, box.y + 10)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width + 59, box.y + 10, { steps: 4 })
  await page.mouse.up()
  await expect
    .poll(async () => Math.round((await state.boundingBox())?.width ?? 0))
    .toBe(Math.round(box.width) + 60)
  await expect(state).toHaveAttribute('aria-sort', 'none')
})

test('eyes decide what the charts draw', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}&flat=1`)
  const frame = chart(page, METRIC)
  const with_metric = (
    await table({ experiment_ids: [id], columns: [{ kind: 'metric', key: METRIC }] })
  ).rows.filter((row) => row.cells[0] !== null)
  await expect(frame).toContainText(`${METRIC}, ${with_metric.length} runs`)
  const run = with_metric[0]
  const eye = page.locator(`[data-run="${run?.run_id}"] .eye`)
  await eye.click()
  await expect(eye).toHaveAttribute('aria-pressed', 'false')
  await expect(frame).toContainText(`${METRIC}, ${with_metric.length - 1} runs`)
  await eye.click({ modifiers: ['Alt'] })
  await expect(frame).toContainText(`${METRIC}, 1 run,`)
  await eye.click({ modifiers: ['Alt'] })
  await expect(frame).toContainText(`${METRIC}, ${with_metric.length - 1} runs`)
  // The same by key.
  await page.locator(`[data-run="${run?.run_id}"] [data-col="3"]`).click({ position: { x: 4, y: 4 } })
  await page.locator(`[data-run="${run?.run_id}"] [data-col="3"]`).focus()
  await page.keyboard.press('h')
  await expect(eye).toHaveAttribute('aria-pressed', 'true')
})

test('colours are spread over the shown runs, and go back', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}&flat=1`)
  await expect(chart(page, METRIC)).toContainText('runs')
  const looks = () =>
    rows(page)
      .locator('.name line')
      .evaluateAll((lines) =>
        lines.map((line) => `${line.getAttribute('stroke')} ${line.getAttribute('stroke-dasharray')}`),
      )
  const before = await looks()
  const spread = page.getByRole('button', { name: 'Spread colours' })
  await spread.click()
  await expect(spread).toHaveAttribute('aria-pressed', 'true')
  await expect.poll(async () => new Set(await looks()).size).toBe(before.length)
  await spread.click()
  await expect.poll(looks).toEqual(before)
})

test('a box on a chart zooms all charts and asks the server for the range', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}`)
  const over = chart(page, METRIC).locator('.u-over')
  await expect(over).toBeVisible()
  await expect(chart(page, METRIC)).toContainText('runs')
  const box = await over.boundingBox()
  if (!box) throw new Error('the chart has no size')
  const asked = page.waitForRequest((request) => {
    if (!request.url().endsWith('/series')) return false
    const body = request.postDataJSON() as { from: number | null; series: { metric: string }[] }
    return body.from !== null && body.series[0]?.metric === 'train_loss'
  })
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height * 0.5, { steps: 4 })
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.5, { steps: 4 })
  await page.mouse.up()
  const body = (await asked).postDataJSON() as { from: number; to: number; width_px: number }
  expect(body.from).toBeGreaterThan(0)
  expect(body.to).toBeGreaterThan(body.from)
  expect(body.width_px).toBeGreaterThan(100)
  const reset = page.getByRole('button', { name: 'Reset zoom' }).first()
  await expect(reset).toBeVisible()
  await over.dblclick()
  await expect(reset).toBeHidden()
})

test('a chart obeys its keys', async ({ page }) => {
  const id = await experimentId(EXPERIMENT)
  await open(page, `/runs?experiments=${id}`)
  const frame = chart(page, METRIC)
  await expect(frame).toContainText('runs')
  await frame.focus()
  await page.keyboard.press('l')
  await expect(frame.locator('.mark').first()).toHaveText('log')
  await page.keyboard.press(']')
  await expect(page.getByRole('slider', { name: /Smoothing/ })).toHaveValue('0.1')
  await page.keyboard.press('x')
  await expect(page.getByRole('combobox', { name: 'X axis' })).toHaveValue('time')
  await page.keyboard.press('t')
  await expect(
    page
      .getByRole('region', { name: `Values of ${METRIC}` })
      .getByRole('row')
      .nth(1),
  ).toBeVisible()
  await page.keyboard.press('t')
  await page.keyboard.press('f')
  await expect(page.getByRole('dialog')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toBeHidden()
})

test('deleted runs come back by undo, and from the trash', async ({ page }) => {
  const { newExperiment, newRun } = await import('./slipway')
  const id = await newExperiment('trash')
  const run = await newRun(id, 'to be deleted')
  await open(page, `/runs?experiments=${id}`)
  await page.locator(`[data-run="${run}"]`).getByRole('checkbox').click()
  await page.getByRole('toolbar', { name: 'Selected runs' }).getByRole('button', { name: 'Delete' }).click()
  await expect(page.locator(`[data-run="${run}"]`)).toHaveCount(0)
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.locator(`[data-run="${run}"]`)).toBeVisible()
  await page.locator(`[data-run="${run}"] [data-col="3"]`).focus()
  await page.keyboard.press('Delete')
  await expect(page.locator(`[data-run="${run}"]`)).toHaveCount(0)
  await page.getByRole('button', { name: 'Deleted runs' }).click()
  await page.locator(`[data-run="${run}"]`).getByRole('checkbox').click()
  await page.getByRole('button', { name: 'Restore' }).click()
  await page.getByRole('button', { name: 'Deleted runs' }).click()
  await expect(page.locator(`[data-run="${run}"]`)).toBeVisible()
})
