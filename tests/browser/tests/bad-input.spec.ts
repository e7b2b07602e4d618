// What people log by accident: each is shown as something sensible, nothing breaks, and the console stays silent.

import { deflateSync } from 'node:zlib'
import type { Page } from '@playwright/test'
import {
  chart,
  expect,
  mlflow,
  newExperiment,
  newRun,
  open,
  putArtifact,
  rows,
  silent as test,
} from './slipway'

interface Point {
  key: string
  value: number | string
  step: number
  timestamp: number
}

/** As a client sends them: a thousand at a time. */
async function logPoints(run_id: string, metrics: Point[]): Promise<void> {
  for (let from = 0; from < metrics.length; from += 1000)
    await mlflow('runs/log-batch', { run_id, metrics: metrics.slice(from, from + 1000) })
}

/** A curve of one point for each step, its clock going on by a second a step. */
const curve = (key: string, values: (number | string)[], started = 1_700_000_000_000): Point[] =>
  values.map((value, step) => ({ key, value, step, timestamp: started + step * 1000 }))

/** The cells of a chart's table twin, step by step. */
async function twin(page: Page, metric: string): Promise<[number, string][]> {
  const frame = chart(page, metric)
  await frame.focus()
  await page.keyboard.press('t')
  const region = page.getByRole('region', { name: `Values of ${metric}` })
  await expect(region.getByRole('row').nth(1)).toBeVisible()
  return region.evaluate((table) =>
    [...table.querySelectorAll('tbody tr')].map((row): [number, string] => [
      Number(row.querySelector('th')?.textContent),
      row.querySelector('td')?.title ?? '',
    ]),
  )
}

/** What MLflow's protocol takes: letters of any script, digits, and `_-. :/`, up to 250 characters. */
const ODD_NAMES = [
  'loss/val/top-1',
  'loss.val.top1',
  '.hidden-dot',
  'grüße/été: größer',
  '損失 данные',
  '0',
  ' and or not null ',
  'metrics.loss',
  `${'long name '.repeat(24)}0123456789`,
]
/** What it refuses. */
const REFUSED_NAMES = [
  'rocket 🚀',
  'Say "cheese"',
  "it's",
  '`quoted`',
  '<b>bold</b>',
  'a/../b',
  'x'.repeat(251),
]

test('names that the protocol refuses are refused by name, and nothing of their batch is kept', async ({
  page,
}) => {
  const id = await newExperiment('refused names')
  const run = await newRun(id, 'rocket 🚀 "quoted" <b>bold</b>')
  for (const key of REFUSED_NAMES) {
    const refused = await mlflow('runs/log-batch', {
      run_id: run,
      metrics: [...curve('fine', [1]), ...curve(key, [1])],
    }).catch((error: unknown) => String(error))
    if (key.length > 250) {
      expect(refused).toContain('exceeds the maximum length of 250 characters')
      continue
    }
    expect(refused).toContain('metrics[1].name')
    // The message names it; it is JSON within a text here.
    expect(refused).toContain(JSON.stringify(JSON.stringify(key.slice(0, 100))).slice(3, -3))
  }
  // Where any text may stand, it stands as it was written.
  const value = 'rocket 🚀 "double" \'single\' <b>bold</b>'
  await mlflow('runs/log-parameter', { run_id: run, key: 'value', value })
  await open(page, `/runs?experiments=${id}&layout=1&cols=p:value`)
  await expect(rows(page).first()).toContainText(value)
  await expect(rows(page).first()).toContainText('rocket 🚀 "quoted" <b>bold</b>')
  await open(page, `/run/${run}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('rocket 🚀 "quoted" <b>bold</b>')
  await expect(page.getByText('None yet').first()).toBeVisible()
})

test('metrics with any name are found, drawn, sorted by, filtered by and compared', async ({ page }) => {
  expect(ODD_NAMES.at(-1)).toHaveLength(250)
  const id = await newExperiment('odd names')
  for (const [i, name] of ['low', 'high'].entries()) {
    const run = await newRun(id, name)
    await logPoints(
      run,
      ODD_NAMES.flatMap((key, j) => curve(key, [1, 2 + i, 3 + i + j])),
    )
  }
  await open(page, `/runs?experiments=${id}&flat=1&layout=3`)
  for (const key of ODD_NAMES) {
    await page.getByRole('searchbox', { name: 'Find charts' }).fill(key)
    const frame = page.locator(`[data-metric=${JSON.stringify(key)}]`).first()
    await expect(frame, key).toContainText('2 runs')
    // The whole name can be read, also when it is cut off.
    await expect(frame.locator('h3')).toHaveAttribute('title', key)
    const box = await frame.boundingBox()
    expect(box?.width ?? 0, key).toBeLessThan(1440)
  }

  // The column of each is chosen from the picker by its name.
  await open(page, `/runs?experiments=${id}&flat=1&layout=1&cols=a:state`)
  await expect(rows(page)).toHaveCount(2)
  await page.getByRole('button', { name: 'Columns', exact: true }).click()
  for (const key of ODD_NAMES) {
    await page.getByRole('searchbox', { name: 'Find a column' }).fill(key)
    await page.getByRole('checkbox', { name: key }).first().check()
  }
  await page.keyboard.press('Escape')
  for (const key of ODD_NAMES) {
    const head = page.locator(`[role=columnheader][data-column=${JSON.stringify(key)}]`)
    await page.getByRole('grid', { name: 'Runs' }).evaluate((grid) => (grid.scrollLeft = 0))
    if (!(await head.count()))
      await page.getByRole('grid', { name: 'Runs' }).evaluate((grid) => (grid.scrollLeft = grid.scrollWidth))
    await expect(head).toHaveCount(1)
  }
  // The address says the same again.
  await page.reload()
  await expect(page.getByRole('grid', { name: 'Runs' })).toHaveAttribute(
    'aria-colcount',
    String(4 + ODD_NAMES.length),
  )

  const runs = await rows(page).evaluateAll((all) => all.map((row) => row.getAttribute('data-run')))
  await open(page, `/compare?runs=${runs.join(',')}`)
  for (const key of ODD_NAMES) {
    await page.getByRole('searchbox', { name: 'Find a key' }).fill(key)
    // Nested keys are cut at their dots and slashes; the last part stays.
    await expect(page.getByRole('grid', { name: 'Comparison' }).getByRole('gridcell').first()).toBeVisible()
  }
  await open(page, `/run/${runs[0]}`)
  for (const key of ODD_NAMES) {
    await page.getByLabel('Find metrics and params').fill(key)
    await expect(page.getByRole('rowheader', { name: key }).first()).toBeVisible()
  }
})

test('a filter offers odd names already quoted, and finds by them', async ({ page }) => {
  const id = await newExperiment('odd filter')
  for (const [i, name] of ['low', 'high'].entries()) {
    await logPoints(
      await newRun(id, name),
      ODD_NAMES.flatMap((key) => curve(key, [i * 10])),
    )
  }
  await open(page, `/runs?experiments=${id}&flat=1&layout=1`)
  await expect(rows(page)).toHaveCount(2)
  const box = page.getByRole('combobox', { name: 'Filter runs' })
  for (const key of ODD_NAMES) {
    await box.fill('')
    await expect(rows(page)).toHaveCount(2)
    // Its first word: a blank ends what is written of a key outside of quotes.
    await box.pressSequentially(key.trim().split(' ')[0]?.slice(0, 5) ?? '')
    const option = page.getByRole('option').filter({ hasText: key.slice(0, 40) })
    await option.first().click()
    await expect(box).toHaveValue(/^metrics\..+ $/)
    await box.press('End')
    await box.pressSequentially(' > 5')
    await box.press('Enter')
    await expect(rows(page), `by ${key}`).toHaveCount(1)
    await expect(rows(page).first()).toContainText('high')
  }
})

test('ten thousand metrics in one run: the table, the charts and the picker stay quick', async ({ page }) => {
  const id = await newExperiment('ten thousand')
  const run = await newRun(id, 'wide')
  await logPoints(
    run,
    Array.from({ length: 10_000 }, (_, i) => i).flatMap((i) =>
      curve(`layer ${Math.floor(i / 100)}/unit ${String(i).padStart(5, '0')}`, [i, i + 1]),
    ),
  )
  const started = Date.now()
  await open(page, `/runs?experiments=${id}`)
  await expect(rows(page)).toHaveCount(1)
  await expect(page.locator('[data-metric]').first()).toContainText('1 run')
  expect(Date.now() - started).toBeLessThan(8000)
  // What is not looked at is not in the page.
  expect(await page.locator('[data-metric]').count()).toBeLessThan(200)
  expect(await page.locator('canvas').count()).toBeLessThan(60)
  await page.getByRole('button', { name: 'Columns', exact: true }).click()
  await page.getByRole('searchbox', { name: 'Find a column' }).fill('unit 09876')
  await page.getByRole('checkbox', { name: 'layer 98/unit 09876' }).check()
  await page.keyboard.press('Escape')
  await page.getByRole('grid', { name: 'Runs' }).evaluate((grid) => (grid.scrollLeft = grid.scrollWidth))
  await expect(page.locator('[role=columnheader][data-column="layer 98/unit 09876"]')).toBeVisible()
  await page
    .getByRole('searchbox', { name: /Find charts|charts/i })
    .first()
    .fill('unit 04321')
  await expect(chart(page, 'layer 43/unit 04321')).toContainText('1 run')
})

test('a run without metrics is a row, a page and a comparison like others, and its charts say so', async ({
  page,
}) => {
  const id = await newExperiment('nothing')
  const empty = await newRun(id, 'empty')
  await open(page, `/runs?experiments=${id}`)
  await expect(rows(page)).toHaveCount(1)
  await expect(page.getByRole('region', { name: 'Charts of the visible runs' })).toContainText(
    /no metrics|nothing/i,
  )
  const other = await newRun(id, 'with')
  await logPoints(other, curve('loss', [3, 2, 1]))
  await expect(chart(page, 'loss')).toContainText('loss, 1 run')
  await open(page, `/compare?runs=${empty},${other}`)
  const row = page
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader', { name: 'loss', exact: true }) })
  await expect(row.getByRole('gridcell')).toHaveCount(2)
  await open(page, `/run/${empty}?tab=charts`)
  await expect(page.getByText('Nothing to draw yet').first()).toBeVisible()
})

test('a metric of one point is a bar with its number', async ({ page }) => {
  const id = await newExperiment('one point')
  await logPoints(await newRun(id, 'first'), curve('accuracy', [0.75]))
  await logPoints(await newRun(id, 'second'), curve('accuracy', [0.5]))
  await open(page, `/runs?experiments=${id}`)
  const frame = chart(page, 'accuracy')
  await expect(frame).toContainText('0.75')
  await expect(frame).toContainText('0.5')
  await expect(frame).toContainText('first')
})

test('a metric that was never a number says so where its line would be', async ({ page }) => {
  const id = await newExperiment('all NaN')
  const run = await newRun(id, 'lost')
  await logPoints(run, [...curve('loss', ['NaN', 'NaN', 'NaN', 'NaN']), ...curve('fine', [1, 2, 3, 4])])
  await open(page, `/runs?experiments=${id}&cols=m:loss,m:fine`)
  const frame = chart(page, 'loss')
  await expect(frame).toContainText('4 not finite')
  await expect(rows(page).first()).toContainText('NaN')
  expect(await twin(page, 'loss')).toEqual([0, 1, 2, 3].map((step) => [step, 'NaN']))
  // Sorting by it, smoothing it and a log axis change nothing about that.
  await open(page, `/runs?experiments=${id}&cols=m:loss&sort=-m:loss&smoothing=0.9&logs=loss`)
  await expect(frame).toContainText('4 not finite')
  await open(page, `/run/${run}`)
  await expect(page.getByRole('region', { name: 'First problem' })).toContainText(
    'loss is not a finite number at step 0',
  )
})

test('steps that go back are drawn by step, none is lost', async ({ page }) => {
  const id = await newExperiment('steps back')
  const run = await newRun(id, 'resumed')
  // A training that was resumed from step 2, and a step below zero.
  const steps = [0, 1, 2, 3, 4, 2, 3, 4, 5, -7]
  for (const [i, step] of steps.entries())
    await logPoints(run, [{ key: 'loss', value: 10 - i, step, timestamp: 1_700_000_000_000 + i * 1000 }])
  await open(page, `/runs?experiments=${id}&layout=3`)
  await expect(chart(page, 'loss')).toContainText('loss, 1 run')
  const seen = await twin(page, 'loss')
  const order = seen.map(([step]) => step)
  expect(order).toEqual([...order].sort((a, b) => a - b))
  expect(new Set(order)).toEqual(new Set(steps))
  // As they were logged, on the axis of time.
  await open(page, `/runs?experiments=${id}&layout=3&x=time`)
  await expect(chart(page, 'loss')).toContainText('loss, 1 run')
  await expect(chart(page, 'loss')).toContainText('lowest resumed 1')
})

test('clocks that differ by years, stand still or go back are drawn, also from a common start', async ({
  page,
}) => {
  const id = await newExperiment('clocks')
  const hour = 3_600_000
  const now = 1_700_000_000_000
  for (const [name, clock] of [
    ['right', (step: number) => now + step * hour],
    ['in 1970', (step: number) => step * hour],
    ['standing', () => now],
    ['backwards', (step: number) => now - step * hour],
    ['far future', (step: number) => 4_102_444_800_000 + step * hour],
  ] as const) {
    const run = await newRun(id, name)
    await logPoints(
      run,
      [5, 4, 3, 2].map((value, step) => ({ key: 'loss', value, step, timestamp: clock(step) })),
    )
  }
  for (const x of ['time', 'relative', 'step']) {
    await open(page, `/runs?experiments=${id}&layout=3&x=${x}`)
    await expect(chart(page, 'loss'), x).toContainText('loss, 5 runs')
    await expect(chart(page, 'loss').locator('canvas').first()).toBeVisible()
  }
})

/** A PNG of one colour whose head says another size than its data has. */
function lyingPicture(): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(data.length)
    return Buffer.concat([head, Buffer.from(type), data, Buffer.alloc(4)])
  }
  const size = Buffer.alloc(13)
  size.writeUInt32BE(60_000, 0)
  size.writeUInt32BE(60_000, 4)
  size.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', size), chunk('IDAT', deflateSync(Buffer.alloc(64)))])
}

test('pictures that are none say so, in the file tree and among the media', async ({ page }) => {
  const id = await newExperiment('no pictures')
  const run = await newRun(id, 'claims')
  await putArtifact(id, run, 'text.png', 'I am text')
  await putArtifact(id, run, 'page.jpg', '<html><script>window.ran=1</script></html>')
  await putArtifact(id, run, 'empty.gif', '')
  await putArtifact(id, run, 'lying.png', lyingPicture())
  await putArtifact(
    id,
    run,
    'script.svg',
    '<svg xmlns="http://www.w3.org/2000/svg"><script>parent.ran=1</script></svg>',
  )
  for (const file of ['text.png', 'page.jpg']) {
    await open(page, `/run/${run}?tab=artifacts&file=${file}`)
    await expect(page.getByText(/Its name says image, but it is/), file).toBeVisible()
  }
  await open(page, `/run/${run}?tab=artifacts&file=empty.gif`)
  await expect(page.getByText(/empty/i).last()).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=lying.png`)
  await expect(page.getByText(/cannot be shown|could not be shown|damaged/i)).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=script.svg`)
  await expect(page.getByTestId('artifact-image').or(page.getByText(/cannot be shown/))).toBeVisible()
  await open(page, `/run/${run}?tab=media`)
  await expect(page.getByText(/text\.png cannot be shown/)).toBeVisible()
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
})
