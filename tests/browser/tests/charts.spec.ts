// Line charts: what they draw is what was logged, whatever the zoom; groups, axes, settings, places.

import type { Page } from '@playwright/test'
import { chart, expect, mlflow, newExperiment, newRun, open, test, token, url } from './slipway'

interface Point {
  step: number
  value: number
}

async function logCurve(run_id: string, key: string, values: (number | string)[], every = 1): Promise<void> {
  const timestamp = Date.now()
  for (let i = 0; i < values.length; i += 1000) {
    const metrics = values
      .slice(i, i + 1000)
      .map((value, j) => ({ key, value, step: (i + j) * every, timestamp: timestamp + (i + j) * every }))
    await mlflow('runs/log-batch', { run_id, metrics })
  }
}

const setTag = (run_id: string, key: string, value: string) => mlflow('runs/set-tag', { run_id, key, value })

/** A noisy fall with spikes, the same every time. */
function noisy(count: number): number[] {
  let seed = 7
  return Array.from({ length: count }, (_, i) => {
    seed = (seed * 16_807) % 2_147_483_647
    const noise = seed / 2_147_483_647
    return Math.exp(-i / (count / 4)) + 0.2 * noise + (i % 997 === 0 ? 3 * noise : 0)
  })
}

/** First, smallest, largest and last point of each column, computed the slow way from all points. */
function decimated(points: Point[], from: number, to: number, columns: number): Point[] {
  const inside = points.filter(({ step }) => step >= from && step <= to)
  if (inside.length <= columns * 4) return inside
  const byColumn = new Map<number, Point[]>()
  for (const point of inside) {
    const column = Math.min(columns - 1, Math.floor((point.step - from) / ((to - from) / columns)))
    byColumn.set(column, [...(byColumn.get(column) ?? []), point])
  }
  const kept = new Set<Point>()
  for (const list of byColumn.values()) {
    const sorted = [...list].sort((a, b) => a.value - b.value)
    for (const point of [list[0], sorted[0], sorted[sorted.length - 1], list[list.length - 1]])
      if (point) kept.add(point)
  }
  return inside.filter((point) => kept.has(point))
}

async function history(run: string, key: string): Promise<Point[]> {
  const response = await fetch(
    `${url}/api/slipway/v1/runs/${run}/metrics?key=${encodeURIComponent(key)}&limit=100000`,
    { headers: { Authorization: `Bearer ${token}` } },
  )
  const { points } = (await response.json()) as { points: Point[] }
  return points
}

const settings = (value: object) => encodeURIComponent(JSON.stringify(value))

/** The points behind the chart, as its table twin shows them. */
function drawn(page: Page, metric: string): Promise<Point[]> {
  return page.getByRole('region', { name: `Values of ${metric}` }).evaluate((region) =>
    [...region.querySelectorAll('tbody tr')].map((row) => ({
      step: Number(row.querySelector('th')?.textContent),
      value: Number(row.querySelector('td')?.title),
    })),
  )
}

test('what is drawn is the exact decimation of what was logged, at three zoom levels', async ({ page }) => {
  const id = await newExperiment('decimation')
  const run = await newRun(id, 'one')
  await logCurve(run, 'loss', noisy(20_000))
  const points = await history(run, 'loss')
  expect(points).toHaveLength(20_000)
  for (const [from, to] of [
    [0, 19_999],
    [5000, 14_000],
    [9000.5, 11_900.25],
  ] as const) {
    const whole = from === 0
    const own = whole ? '' : `&settings=${settings({ 'metric:loss': { xMin: from, xMax: to } })}`
    await open(page, `/runs?experiments=${id}&layout=3${own}`)
    const frame = chart(page, 'loss')
    await expect(frame).toContainText('loss, 1 run')
    await expect(frame.locator('.mark.thin')).toBeVisible()
    // Columns are pixels of the plot.
    const columns = await frame
      .locator('.u-over')
      .evaluate((over) => Math.round(over.clientWidth * devicePixelRatio))
    await frame.focus()
    await page.keyboard.press('t')
    await expect(page.getByRole('region', { name: 'Values of loss' }).getByRole('row').nth(100)).toBeVisible()
    // One point beyond each edge is drawn as well, so that lines run out of the picture.
    const shown = (await drawn(page, 'loss')).filter(({ step }) => step >= from && step <= to)
    const wanted = decimated(points, from, to, columns)
    expect(wanted.length).toBeLessThan(points.length)
    expect(shown).toEqual(wanted.map(({ step, value }) => ({ step, value })))
  }
})

test('values that are not finite are marked, and the first one is named', async ({ page }) => {
  const id = await newExperiment('odd')
  const run = await newRun(id, 'broken')
  await logCurve(run, 'loss', [3, 2, 'NaN', 1, 'Infinity', 0.5])
  await open(page, `/runs?experiments=${id}`)
  const mark = chart(page, 'loss').getByText('2 not finite')
  await expect(mark).toHaveAttribute('title', /The first: broken, NaN at step 2/)
})

test('runs of a group are one line, with their number and a band', async ({ page }) => {
  const id = await newExperiment('groups')
  for (const [name, level] of [
    ['a1', 1],
    ['a2', 3],
    ['b1', 10],
  ] as const) {
    const run = await newRun(id, name)
    await setTag(run, 'team', name.charAt(0))
    await logCurve(run, 'loss', [level, level + 1, level + 2])
  }
  await open(page, `/runs?experiments=${id}&group=t:team&band=minmax`)
  const frame = chart(page, 'loss')
  await expect(frame).toContainText('loss, 2 lines')
  await frame.focus()
  await page.keyboard.press('t')
  const values = page.getByRole('region', { name: 'Values of loss' })
  await expect(values.getByRole('columnheader')).toHaveText(['step', 'b', 'a'])
  await expect(values.getByRole('row').nth(1).getByRole('cell')).toHaveText(['10', '2'])
  await page.getByRole('combobox', { name: 'Line of a group' }).selectOption('max')
  await expect(values.getByRole('row').nth(1).getByRole('cell')).toHaveText(['10', '3'])
  await page.getByRole('button', { name: 'Members' }).click()
  await expect(values.getByRole('columnheader')).toHaveCount(6)
})

test('a chart over epochs says which runs have none, and offers steps', async ({ page }) => {
  const id = await newExperiment('epochs')
  const run = await newRun(id, 'with')
  await logCurve(run, 'loss', [3, 2, 1, 0.5])
  await open(page, `/runs?experiments=${id}&x=m:epoch`)
  const frame = chart(page, 'loss')
  await expect(frame).toContainText('1 visible run does not log epoch.')
  await frame.getByRole('button', { name: 'Use step' }).click()
  await expect(frame).toContainText('loss, 1 run')
  await logCurve(run, 'epoch', [0, 0.5, 1, 1.5])
  const axis = page.getByRole('combobox', { name: 'X axis' })
  await expect(axis.locator('optgroup[label=Progress] option')).toHaveText(['epoch'])
  await axis.selectOption('m:epoch')
  await frame.focus()
  await page.keyboard.press('t')
  await expect(
    page.getByRole('region', { name: 'Values of loss' }).getByRole('row').nth(2).getByRole('rowheader'),
  ).toHaveText('0.5')
})

test('outliers are clipped only when asked, and counted', async ({ page }) => {
  const id = await newExperiment('outliers')
  const run = await newRun(id, 'spiky')
  const values = noisy(300).map((value, i) => (i === 100 || i === 200 ? 1e6 : value))
  await logCurve(run, 'loss', values)
  await open(page, `/runs?experiments=${id}`)
  const frame = chart(page, 'loss')
  await expect(frame).toContainText('loss, 1 run')
  await expect(frame.getByText('clipped')).toHaveCount(0)
  await page.getByRole('button', { name: 'Clip', exact: true }).click()
  await expect(frame.getByText('2 points clipped')).toBeVisible()
})

test('a chart of several metrics is added by expression, set up beside it, moved and removed', async ({
  page,
}) => {
  const id = await newExperiment('panels')
  const run = await newRun(id, 'one')
  for (const key of ['val_loss', 'val_nll', 'train_loss']) await logCurve(run, key, [3, 2, 1])
  await open(page, `/runs?experiments=${id}&layout=3`)
  await page.getByRole('button', { name: 'Chart', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Add a chart' })
  await expect(dialog.getByRole('button', { name: 'Add chart' })).toBeDisabled()
  await dialog.getByRole('textbox', { name: 'Regular expression' }).fill('^val_(loss|nll)$')
  await expect(dialog).toContainText('2 metrics: val_loss, val_nll')
  await dialog.getByRole('button', { name: 'Add chart' }).click()
  const added = page.getByRole('group', { name: 'Chart /^val_(loss|nll)$/' })
  await expect(added).toContainText('2 runs')

  // Settings: beside the chart, which shows them at once; back to the run set.
  await added.hover()
  await added.getByRole('button', { name: /^Settings of chart/ }).click()
  const popover = page.getByRole('dialog', { name: /^Settings of chart/ })
  await popover.getByRole('checkbox', { name: 'log y', exact: true }).check()
  await expect(added.locator('.mark').first()).toHaveText('log')
  await popover.getByRole('combobox', { name: 'Columns' }).selectOption('2')
  await expect(page.locator('[data-chart=p1]')).toHaveAttribute('style', /span 2/)
  await popover.getByRole('button', { name: 'Reset to run set' }).click()
  await expect(added.getByText('log', { exact: true })).toHaveCount(0)
  await popover.getByRole('button', { name: 'Done' }).click()

  // Automatic charts change places by key, and stay there.
  const order = () =>
    page.locator('[data-section=metrics]').evaluateAll((cells) => cells.map((cell) => cell.dataset.chart))
  expect(await order()).toEqual(['metric:train_loss', 'metric:val_loss', 'metric:val_nll'])
  await chart(page, 'val_nll').focus()
  await page.keyboard.press('Alt+ArrowLeft')
  await expect.poll(order).toEqual(['metric:train_loss', 'metric:val_nll', 'metric:val_loss'])
  await page.reload()
  await expect.poll(order).toEqual(['metric:train_loss', 'metric:val_nll', 'metric:val_loss'])
  // The same with the pointer.
  const from = await chart(page, 'val_loss').locator('h3').boundingBox()
  const to = await chart(page, 'train_loss').locator('h3').boundingBox()
  if (!from || !to) throw new Error('the charts have no size')
  await page.mouse.move(from.x + 10, from.y + 8)
  await page.mouse.down()
  await page.mouse.move(to.x + 40, to.y + 8, { steps: 4 })
  await page.mouse.move(to.x + 10, to.y + 8, { steps: 4 })
  await page.mouse.up()
  await expect.poll(order).toEqual(['metric:val_loss', 'metric:train_loss', 'metric:val_nll'])

  // Full screen, and on to the next chart by key.
  await chart(page, 'val_loss').focus()
  await page.keyboard.press('f')
  const full = page.locator('.full-chart .frame')
  await expect(full).toBeFocused()
  await expect(full).toHaveAttribute('aria-label', 'Chart val_loss')
  await page.keyboard.press('ArrowRight')
  await expect(full).toHaveAttribute('aria-label', 'Chart train_loss')
  await page.keyboard.press('Escape')
  await expect(full).toHaveCount(0)

  await added.hover()
  await added.getByRole('button', { name: /^Menu of chart/ }).click()
  await page.getByRole('menuitem', { name: 'Remove chart' }).click()
  await expect(added).toHaveCount(0)
})

test('a new point is drawn within a second', async ({ page }) => {
  const id = await newExperiment('live')
  const run = await newRun(id, 'live')
  await logCurve(run, 'loss', [3, 2, 1])
  await open(page, `/runs?experiments=${id}`)
  const frame = chart(page, 'loss')
  await expect(frame).toContainText('lowest live 1 at 2')
  const started = Date.now()
  await mlflow('runs/log-metric', { run_id: run, key: 'loss', value: 0.25, step: 3, timestamp: Date.now() })
  await expect(frame).toContainText('lowest live 0.25 at 3', { timeout: 5000 })
  const took = Date.now() - started
  test.info().annotations.push({ type: 'point to pixel', description: `${took} ms` })
  expect(took).toBeLessThan(1000)
})
