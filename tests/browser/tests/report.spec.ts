// A run set leaves as one page, which is opened without the server.

import { readFile } from 'node:fs/promises'
import AxeBuilder from '@axe-core/playwright'
import { expect, logMetric, mlflow, newExperiment, newRun, open, test } from './slipway'

test('a report opens offline, light or dark, and shows what the screen did', async ({ page, browser }) => {
  const experiment = await newExperiment('report')
  const names = ['<img src=x onerror=alert(1)>', 'second', 'third']
  const runs: string[] = []
  for (const [i, name] of names.entries()) {
    const run = await newRun(experiment, name)
    runs.push(run)
    await mlflow('runs/log-batch', {
      run_id: run,
      params: [
        { key: 'lr', value: String(0.1 * (i + 1)) },
        { key: 'kind', value: i === 0 ? 'x' : 'y' },
      ],
    })
    for (let step = 0; step < 30; step++) await logMetric(run, 'val/loss', (i + 1) / (step + 1), step)
    await logMetric(run, 'final_acc', 0.5 + i / 10, 0)
  }
  const panels = [
    {
      id: 'a',
      kind: 'scatter',
      refs: [
        { kind: 'param', key: 'lr' },
        { kind: 'metric', key: 'val/loss' },
      ],
    },
    { id: 'b', kind: 'parallel', refs: [], title: 'All of them' },
  ]
  const view = `cols=p:lr,m:val%2Floss&group=p:kind&base=${runs[0] ?? ''}&panels=${JSON.stringify(panels)}`
  await open(page, `/runs?experiments=${experiment}&${view}`)
  await expect(page.getByRole('button', { name: 'Export', exact: true })).toBeVisible()
  await expect(page.locator('[data-metric="val/loss"]').first()).toBeVisible()
  await page.keyboard.press('Control+e')
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: /A report/ }).check()
  await dialog.getByLabel('Title').fill('Losses <of> today')
  await dialog.getByLabel('Note').fill('Look at the third.')
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Save' }).click(),
  ])
  expect(download.suggestedFilename()).toBe('Losses-of-today.html')
  const html = await readFile(await download.path(), 'utf8')

  for (const scheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ colorScheme: scheme, offline: true, javaScriptEnabled: false })
    const report = await context.newPage()
    const asked: string[] = []
    report.on('request', (request) => asked.push(request.url()))
    await report.setContent(html)
    await expect(report.getByRole('heading', { level: 1 })).toHaveText('Losses <of> today')
    await expect(report.getByText('Look at the third.')).toBeVisible()
    // Lines of val/loss by group, bars of final_acc, the scatter plot.
    await expect(report.locator('figure svg')).toHaveCount(3)
    await expect(report.locator('li', { hasText: 'All of them' })).toContainText('drawn by the window only')
    const groups = report.locator('table').first()
    await expect(groups.locator('tbody tr')).toHaveCount(2)
    const table = report.locator('table').nth(1)
    await expect(table.locator('tbody tr')).toHaveCount(3)
    await expect(table.locator('tr.base')).toContainText('<img src=x onerror=alert(1)> (baseline)')
    await expect(table.locator('tr', { hasText: 'third' }).locator('small.bad')).toContainText('worse')
    await expect(report.locator('table').nth(2)).toContainText('params.lr')
    // Text of a chart is readable on the page's ground, in both themes.
    const colours = await report.evaluate(() => [
      getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector('figure svg text') ?? document.body).color,
    ])
    expect(colours).toEqual(
      scheme === 'light'
        ? ['rgb(255, 255, 255)', 'rgb(27, 31, 36)']
        : ['rgb(17, 20, 23)', 'rgb(231, 234, 238)'],
    )
    expect(asked.filter((url) => !url.startsWith('about:'))).toEqual([])
    await context.close()
  }
  // The checker itself is a script, so that it looks at a page that may run some.
  const context = await browser.newContext({ bypassCSP: true })
  const report = await context.newPage()
  await report.setContent(html)
  const found = await new AxeBuilder({ page: report }).analyze()
  expect(
    found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`),
  ).toEqual([])
  await context.close()
})
