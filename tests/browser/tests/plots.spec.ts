// Charts besides lines: what they say in their tables and sentences is held against what was logged.

import type { Locator, Page } from '@playwright/test'
import { expect, mlflow, newExperiment, newRun, open, putArtifact, table, test, token, url } from './slipway'

interface Logged {
  id: string
  name: string
  lr: number
  kind: string
  loss: number
}

const ODD = `quote " ' and \u{1f6a2} <b>bold</b> ${'x'.repeat(200)}`

async function log(run_id: string, metrics: [string, number][], params: [string, string][]): Promise<void> {
  await mlflow('runs/log-batch', {
    run_id,
    metrics: metrics.map(([key, value]) => ({
      key,
      value: Number.isNaN(value) ? 'NaN' : value,
      step: 0,
      timestamp: Date.now(),
    })),
    params: params.map(([key, value]) => ({ key, value })),
  })
}

/** Runs whose loss is decided by `lr` alone. */
async function runs(experiment: string, count: number): Promise<Logged[]> {
  const made: Logged[] = []
  for (let i = 0; i < count; i++) {
    const name = i === 0 ? ODD : `run ${i}`
    const lr = ((i * 7) % count) / count + 0.01
    const kind = ['gbm', 'net', 'tree'][i % 3] ?? ''
    const loss = 2 - lr
    const id = await newRun(experiment, name)
    await log(
      id,
      [
        ['val/loss', i === 1 ? NaN : loss],
        ['all nan', NaN],
      ],
      [
        ['lr', String(lr)],
        ['kind', kind],
        ['seed', String((i * 5) % 11)],
      ],
    )
    made.push({ id, name, lr, kind, loss })
  }
  return made
}

const LR = { kind: 'param', key: 'lr' }
const KIND = { kind: 'param', key: 'kind' }
const LOSS = { kind: 'metric', key: 'val/loss', reduce: 'last' }

async function show(page: Page, experiment: string, panel: object, more = ''): Promise<Locator> {
  const panels = JSON.stringify([{ id: 'p1', refs: [], title: 'Mine', ...panel }])
  await open(page, `/runs?experiments=${experiment}&panels=${encodeURIComponent(panels)}${more}`)
  const chart = page.getByRole('group', { name: 'Chart Mine' })
  await expect(chart).toBeVisible()
  return chart
}

/** The table twin, reached by key. */
async function twin(chart: Locator): Promise<string[][]> {
  await expect(chart.locator('.summary')).not.toBeEmpty()
  await chart.focus()
  await chart.press('t')
  await expect(chart.locator('.twin table')).toBeVisible()
  return chart
    .locator('.twin tr')
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent?.trim() ?? '')))
}

test('a matrix of values is what the table has', async () => {
  const experiment = await newExperiment('matrix')
  const made = await runs(experiment, 12)
  const response = await fetch(`${url}/api/slipway/v1/runs/matrix`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ experiment_ids: [experiment], columns: [LR, KIND] }),
  })
  const buffer = await response.arrayBuffer()
  const view = new DataView(buffer)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 16, view.getUint32(4, true)))) as {
    run_count: number
    columns: { texts?: string[] }[]
  }
  expect(head.run_count).toBe(12)
  expect(head.columns[1]?.texts).toEqual(['gbm', 'net', 'tree'])
  const values = new Float64Array(buffer, 16 + view.getUint32(4, true), 12)
  expect([...values].sort()).toEqual(made.map((run) => run.lr).sort())
})

test('a scatter plot shows every run that has both values, and follows a trend', async ({ page }) => {
  const experiment = await newExperiment('scatter')
  const made = await runs(experiment, 15)
  const chart = await show(page, experiment, { kind: 'scatter', refs: [LR, LOSS], options: { trend: true } })
  await expect(chart.locator('.summary')).toHaveText(/14 runs · r = −1\.00 · 1 without both values/)
  const rows = await twin(chart)
  expect(rows[0]).toEqual(['Run', 'lr', 'val/loss'])
  expect(rows).toHaveLength(15)
  expect(rows.map((row) => row[0]).slice(1)).toContain(ODD)
  expect(rows.find((row) => row[0] === 'run 4')?.[1]).toBe(String(Number(made[4]?.lr.toPrecision(4))))
  await chart.press('t')
  await expect(chart.locator('canvas').first()).toBeVisible()
})

test('parallel coordinates are brushed by key, and the brush becomes the filter', async ({ page }) => {
  const experiment = await newExperiment('parallel')
  await runs(experiment, 12)
  const chart = await show(page, experiment, { kind: 'parallel', refs: [LR, KIND, LOSS] })
  await expect(chart.locator('.summary')).toHaveText(/^12 runs across 3 columns/)
  const upper = chart.getByRole('slider', { name: 'kind: upper limit' })
  await upper.focus()
  await upper.press('ArrowDown')
  await expect(chart.locator('.summary')).toHaveText(/8 in the brushes/)
  expect(new URL(page.url()).hash).toContain('brush')
  await chart.getByRole('button', { name: 'Keep only these 8' }).click()
  const filtered = await table({ experiment_ids: [experiment], filter: "params.kind IN ('gbm', 'net')" })
  expect(filtered.total).toBe(8)
  await expect(chart.locator('.summary')).toHaveText(/^8 runs/)
  // Axes move by key.
  const axis = chart.getByRole('button', { name: 'Axis lr' })
  await axis.focus()
  await axis.press('Alt+ArrowRight')
  const rows = await twin(chart)
  expect(rows[0]).toEqual(['Run', 'kind', 'lr', 'val/loss'])
  expect(rows).toHaveLength(9)
})

test('bars stand for runs, and for groups with what their members differ by', async ({ page }) => {
  const experiment = await newExperiment('bars')
  const made = await runs(experiment, 9)
  let chart = await show(page, experiment, { kind: 'bar', refs: [LOSS] })
  await expect(chart.locator('.summary')).toHaveText(/8 runs · 1 without a finite value/)
  chart = await show(page, experiment, { kind: 'bar', refs: [LOSS] }, '&group=p%3Akind')
  await expect(chart.locator('.summary')).toHaveText(/3 groups/)
  const rows = await twin(chart)
  const gbm = made.filter((run) => run.kind === 'gbm').map((run) => run.loss)
  const mean = gbm.reduce((sum, value) => sum + value, 0) / gbm.length
  expect(rows.find((row) => row[0] === 'gbm')?.[1]).toContain(`${Number(mean.toPrecision(4))} ±`)
  expect(rows.find((row) => row[0] === 'gbm')?.[1]).toContain('n = 3')
})

test('boxes have the quartiles of each group', async ({ page }) => {
  const experiment = await newExperiment('boxes')
  const made = await runs(experiment, 15)
  const chart = await show(page, experiment, { kind: 'box', refs: [LOSS, KIND] })
  await expect(chart.locator('.summary')).toHaveText('val/loss by kind: 3 groups of 14 runs')
  const rows = await twin(chart)
  const sorted = made
    .filter((run) => run.kind === 'gbm')
    .map((run) => run.loss)
    .sort((a, b) => a - b)
  const gbm = rows.find((row) => row[0] === 'gbm')
  expect(gbm?.[1]).toBe('5')
  expect(gbm?.[4]).toBe(String(Number(sorted[2]?.toPrecision(4))))
})

test('a heat map has the mean of the runs in each cell', async ({ page }) => {
  const experiment = await newExperiment('heat')
  const made = await runs(experiment, 12)
  const seed = { kind: 'param', key: 'seed' }
  const chart = await show(page, experiment, { kind: 'heat', refs: [KIND, seed, LOSS] })
  await expect(chart.locator('.summary')).toHaveText(/11 runs in \d+ cells/)
  const rows = await twin(chart)
  expect(rows[0]).toEqual(['kind', 'seed', 'Mean val/loss', 'n'])
  const counts = rows.slice(1).map((row) => Number(row[3]))
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(11)
  const own = made.filter((run, i) => run.kind === 'gbm' && (i * 5) % 11 === 0)
  const mean = own.reduce((sum, run) => sum + run.loss, 0) / own.length
  const cell = rows.find((row) => row[0] === 'gbm' && row[1] === '0')
  expect(cell?.[2]).toBe(String(Number(mean.toPrecision(4))))
})

test('the param that decides the metric is the important one, and can be put into the table', async ({
  page,
}) => {
  const experiment = await newExperiment('importance')
  await runs(experiment, 30)
  const chart = await show(page, experiment, { kind: 'importance', refs: [LOSS] }, '&cols=m%3Aval%252Floss')
  await expect(chart.locator('.meaning')).toHaveText(/^lr decides most \(higher goes with lower val\/loss\)/)
  const rows = await twin(chart)
  expect(rows[1]?.[0]).toBe('lr')
  expect(parseFloat(rows[1]?.[1] ?? '')).toBeGreaterThan(80)
  expect(rows[1]?.[2]).toBe('−1.00')
  await chart.press('t')
  await chart.getByRole('button', { name: /^lr/ }).click()
  await expect(page.getByRole('columnheader', { name: /lr/ })).toBeVisible()
  await expect(chart.getByRole('button', { name: /^lr/ })).toHaveCount(0)
})

test('charts of nothing say why', async ({ page }) => {
  const experiment = await newExperiment('nothing')
  await runs(experiment, 1)
  const nan = { kind: 'metric', key: 'all nan', reduce: 'last' }
  for (const [panel, why] of [
    [{ kind: 'scatter', refs: [LR, nan] }, 'None of 1 run has a finite number in both'],
    [{ kind: 'scatter', refs: [] }, 'Choose two columns'],
    [{ kind: 'parallel', refs: [nan] }, 'None of 1 run has a value to show'],
    [{ kind: 'bar', refs: [nan] }, 'None of 1 visible run has a finite all nan'],
    [{ kind: 'box', refs: [nan] }, 'None of 1 run has a finite all nan'],
    [{ kind: 'heat', refs: [LR, KIND, nan] }, 'None of 1 run has lr, kind and a finite all nan'],
    [{ kind: 'importance', refs: [LOSS] }, 'At least 10 are needed'],
    [{ kind: 'confusion' }, 'No visible run has stored a confusion matrix'],
    [{ kind: 'curve' }, 'No visible run has stored a ROC curve'],
    [{ kind: 'histogram' }, 'No visible run has stored histograms'],
    [{ kind: 'images' }, 'No visible run has stored an image'],
    [{ kind: 'rows' }, 'No visible run has stored a table'],
  ] as const) {
    const chart = await show(page, experiment, panel)
    await expect(chart.locator('.none')).toContainText(why)
  }
})

test('an empty log axis offers a linear one', async ({ page }) => {
  const experiment = await newExperiment('log')
  const id = await newRun(experiment, 'below zero')
  await log(id, [['m', -1]], [['lr', '1']])
  const metric = { kind: 'metric', key: 'm', reduce: 'last' }
  const chart = await show(page, experiment, { kind: 'box', refs: [metric], options: { logY: true } })
  await chart.getByRole('button', { name: 'Linear axis' }).click()
  await expect(chart.locator('.summary')).toHaveText(/1 group of 1 run/)
})

test('matrices, curves, histograms and images of several runs stand side by side', async ({ page }) => {
  const experiment = await newExperiment('media')
  const ids: string[] = []
  for (const [i, name] of ['first', ODD].entries()) {
    const id = await newRun(experiment, name)
    ids.push(id)
    const put = (path: string, content: object | string) =>
      putArtifact(experiment, id, path, typeof content === 'string' ? content : JSON.stringify(content))
    const labels = ['cat', '<b>dog</b>']
    await put('confusion.json', {
      labels,
      matrix: [
        [8, 2],
        [i, 10 - i],
      ],
    })
    await put('roc.json', { fpr: [0, 0.5, 1], tpr: [0, i === 0 ? 1 : 0.5, 1] })
    for (const step of [0, 10])
      await put(`weights+step+${step}.json`, { edges: [0, 1, 2], counts: [step, 5 + i] })
    await put(
      `images/val~sample+step+${i * 4}+timestamp+1700000000000+0c6b.svg`,
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    )
    await put('broken.png', 'this is text')
  }
  let chart = await show(page, experiment, { kind: 'confusion' })
  await expect(chart.locator('.summary')).toContainText('first 90.0 % right')
  await expect(chart.getByRole('table')).toHaveCount(2)
  expect(await twin(chart)).toContainEqual([ODD, '<b>dog</b>', 'cat', '1', '10.0 %'])

  chart = await show(page, experiment, { kind: 'curve' })
  await expect(chart.locator('.summary')).toContainText('best first with AUC 0.75')
  expect(await twin(chart)).toContainEqual([ODD, '0.5', '0.5', '0.5'])

  chart = await show(page, experiment, { kind: 'histogram' })
  await expect(chart.locator('.summary')).toContainText('2 runs, 2 steps')
  const slider = chart.getByRole('slider', { name: 'Step' })
  await expect(slider).toHaveAttribute('aria-valuetext', 'step 10')
  await slider.press('ArrowLeft')
  await expect(slider).toHaveAttribute('aria-valuetext', 'step 0')
  expect(await twin(chart)).toContainEqual([ODD, '10', '1 to 2', '6'])

  chart = await show(page, experiment, { kind: 'images' })
  await expect(chart.locator('.summary')).toContainText('2 runs, 2 keys')
  await expect(chart.getByText('Not an image that can be shown')).toHaveCount(2)
  const picture = chart.getByRole('img', { name: 'val/sample of first at step 0' })
  await expect.poll(() => picture.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0)
  // One slider for all runs: at step 0 the second run had logged nothing yet.
  await chart.getByRole('slider', { name: 'Step' }).press('ArrowLeft')
  await expect(chart.getByRole('img', { name: /^val\/sample/ })).toHaveCount(1)
  await chart.getByRole('button', { name: /^val\/sample of first/ }).click()
  await expect(page.getByRole('dialog')).toContainText('val/sample of first')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('tables of several runs are joined by place and by a column', async ({ page }) => {
  const experiment = await newExperiment('tables')
  for (const [name, data] of [
    [
      'first',
      [
        ['1', 'cat'],
        ['2', 'dog'],
      ],
    ],
    [
      'second',
      [
        ['2', 'bird'],
        ['3', 'cat'],
      ],
    ],
  ] as const) {
    const id = await newRun(experiment, name)
    await putArtifact(experiment, id, 'predictions.json', JSON.stringify({ columns: ['id', 'label'], data }))
  }
  const chart = await show(page, experiment, { kind: 'rows' })
  await expect(chart.locator('.summary')).toContainText('2 runs, rows 1 to 2 of 2')
  await chart.getByRole('combobox', { name: 'Join by' }).selectOption('id')
  await expect(chart.locator('.summary')).toContainText('rows 1 to 3 of 3, joined by id')
  const rows = await twin(chart)
  expect(rows).toContainEqual(['2', 'first', '2', 'dog'])
  expect(rows).toContainEqual(['2', 'second', '2', 'bird'])
})

test('every kind is added from the menu with something to see, and can be set up', async ({ page }) => {
  const experiment = await newExperiment('menu')
  await runs(experiment, 12)
  await open(page, `/runs?experiments=${experiment}`)
  for (const kind of [
    'Scatter plot',
    'Parallel coordinates',
    'Bar chart',
    'Box plot',
    'Heat map',
    'Param importance',
  ]) {
    await page.getByRole('button', { name: 'Chart', exact: true }).click()
    await page.getByRole('menuitem', { name: kind }).click()
  }
  await expect(page.locator('.summary')).toHaveCount(6)
  for (const summary of await page.locator('.summary').all()) await expect(summary).not.toBeEmpty()
  const scatter = page.locator('[data-chart=p1]')
  await scatter.hover()
  await scatter.getByRole('button', { name: /^Settings of chart/ }).click()
  await page.getByRole('combobox', { name: 'Colour' }).fill('kind')
  await page.getByRole('option', { name: /kind/ }).first().click()
  await page.getByLabel('Log y').check()
  await page.getByRole('button', { name: 'Done' }).click()
  expect(decodeURIComponent(new URL(page.url()).hash)).toContain('"colour":"p:kind"')
  await expect(scatter.locator('.summary')).toContainText('11 runs')
})
