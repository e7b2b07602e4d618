import { chart, expect, mlflow, newExperiment, newRun, logMetric, open, test } from './slipway'
import type { Download, Page } from '@playwright/test'

async function text(download: Download): Promise<string> {
  let all = ''
  for await (const piece of await download.createReadStream()) all += String(piece)
  return all
}

async function saved(page: Page): Promise<Download> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('dialog').getByRole('button', { name: 'Save' }).click(),
  ])
  return download
}

test('the table and the curves leave as files, with odd names whole', async ({ page }) => {
  const experiment = await newExperiment('export')
  const run = await newRun(experiment, '=HYPERLINK("x"), "quoted"')
  const other = await newRun(experiment, 'plain')
  await mlflow('runs/log-batch', { run_id: run, params: [{ key: 'note', value: 'a|b\nc & d' }] })
  await logMetric(run, 'loss', 0.25, 1)
  await logMetric(other, 'loss', 0.5, -3)

  await open(page, `/runs?experiments=${experiment}&cols=p:note,m:loss`)
  await expect(page.getByRole('button', { name: 'Export', exact: true })).toBeVisible()
  await page.keyboard.press('Control+e')
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('2 rows')
  const csv = await text(await saved(page))
  expect(csv.split('\r\n')[0]).toBe('run_id,name,params.note,metrics.loss')
  expect(csv).toContain(`${run},"'=HYPERLINK(""x""), ""quoted""","a|b\nc & d",0.25`)

  await page.keyboard.press('Control+e')
  await dialog.getByRole('radio', { name: /The curves/ }).check()
  await dialog.getByRole('checkbox').uncheck()
  const curves = await text(await saved(page))
  expect(curves.split('\r\n')[0]).toBe('run_id,run_name,metric,step,wall_time,value')
  expect(curves).toMatch(new RegExp(`${other},plain,loss,-3,\\d{13},0.5`))
  expect(curves).toContain(`${run},"=HYPERLINK(""x""), ""quoted""",loss,1,`)

  await page.keyboard.press('Control+e')
  await dialog.getByRole('radio', { name: /The table/ }).check()
  await dialog.getByRole('combobox', { name: 'As' }).selectOption('parquet')
  const parquet = await saved(page)
  expect(parquet.suggestedFilename()).toBe('runs.parquet')
  let bytes = Buffer.alloc(0)
  for await (const piece of await parquet.createReadStream()) bytes = Buffer.concat([bytes, piece as Buffer])
  expect(bytes.subarray(0, 4).toString()).toBe('PAR1')
  expect(bytes.subarray(-4).toString()).toBe('PAR1')
})

test('a chart leaves as SVG, PNG and PDF, also when runs are grouped', async ({ page }) => {
  const experiment = await newExperiment('picture')
  for (const name of ['<b>one</b>', 'two']) {
    const run = await newRun(experiment, name)
    await mlflow('runs/log-batch', { run_id: run, params: [{ key: 'kind', value: 'same' }] })
    for (const step of [0, 1, 2]) await logMetric(run, 'loss', 1 / (step + 1), step)
  }
  const save = async (label: string) => {
    const frame = chart(page, 'loss')
    await frame.hover()
    await frame.getByRole('button', { name: /^Menu of chart/ }).click()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: label, exact: true }).click(),
    ])
    return download
  }
  await open(page, `/runs?experiments=${experiment}&layout=3`)
  const svg = await text(await save('Save as SVG'))
  expect(svg).toContain('&lt;b&gt;one&lt;/b&gt;')
  expect(svg.trimEnd()).toMatch(/^<svg [^]*<\/svg>$/)
  const png = await save('Save as PNG')
  expect(png.suggestedFilename()).toBe('loss.png')

  await open(page, `/runs?experiments=${experiment}&layout=3&group=p:kind`)
  await expect(chart(page, 'loss')).toContainText('1 line')
  const pdf = await save('Save as PDF')
  expect(pdf.suggestedFilename()).toBe('loss.pdf')
  expect((await text(pdf)).slice(0, 5)).toBe('%PDF-')
})
