import {
  chart,
  expect,
  experimentId,
  newExperiment,
  newRun,
  open,
  putArtifact,
  rows,
  table,
  test,
} from './slipway'

/** A run of the training that has curves and figures. */
async function trained(): Promise<{ run_id: string; name: string; loss: number }> {
  const id = await experimentId('fraud-detection')
  const { rows } = await table({
    experiment_ids: [id],
    columns: [{ kind: 'metric', key: 'val_loss' }],
    filter: 'metrics.val_loss < 1000',
  })
  const row = rows[0]
  if (!row) throw new Error('no run of the training has val_loss')
  return { run_id: row.run_id, name: row.name, loss: Number(row.cells[0]) }
}

test('a run opens from the table, with its numbers', async ({ page }) => {
  const run = await trained()
  const id = await experimentId('fraud-detection')
  await open(page, `/runs?experiments=${id}&flat=1`)
  await expect(rows(page).first()).toBeVisible()
  await page.locator(`[data-run="${run.run_id}"]`).getByRole('link', { name: run.name }).click()
  await expect(page.getByRole('heading', { level: 1, name: run.name })).toBeVisible()
  const metric = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'val_loss' }) })
  await expect(metric.locator(`td[title="${run.loss}"]`).first()).toBeVisible()
  await page.getByRole('tab', { name: /^Charts/ }).click()
  await expect(chart(page, 'val_loss')).toContainText('val_loss, 1 run,')
  await page.getByRole('button', { name: 'Back' }).click()
  await expect(rows(page).first()).toBeVisible()
})

test('a figure is shown', async ({ page }) => {
  const run = await trained()
  await open(page, `/run/${run.run_id}?tab=artifacts`)
  await page.getByRole('treeitem', { name: /figures/ }).click()
  await page.getByRole('treeitem', { name: /\.png/ }).first().click()
  const image = page.getByTestId('artifact-image')
  await expect(image).toBeVisible()
  await expect
    .poll(() => image.evaluate((element) => (element as HTMLImageElement).naturalWidth))
    .toBeGreaterThan(100)
})

test('text, tables and JSON are shown, and kept files come down whole', async ({ page }) => {
  const id = await newExperiment('artifacts')
  const run = await newRun(id, 'with files')
  await putArtifact(id, run, 'notes.txt', 'first line\n<b>second</b> line')
  await putArtifact(id, run, 'data/table.csv', 'name,value\n"a, b",1.5\nc,2\n')
  await putArtifact(id, run, 'data/report.json', '{"score": 0.25, "parts": ["x", "y"]}')
  await open(page, `/run/${run}?tab=artifacts`)
  await page.getByRole('treeitem', { name: /notes\.txt/ }).click()
  await expect(page.getByRole('region', { name: 'Content of notes.txt' })).toContainText('<b>second</b> line')
  await page.getByRole('treeitem', { name: /^data/ }).click()
  await page.getByRole('treeitem', { name: /table\.csv/ }).click()
  await expect(page.getByRole('cell', { name: 'a, b' })).toBeVisible()
  await page.getByRole('treeitem', { name: /report\.json/ }).click()
  await expect(page.getByRole('region', { name: 'Content of report.json' })).toContainText('0.25')
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download' }).click(),
  ])
  const stream = await download.createReadStream()
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  expect(Buffer.concat(pieces).toString()).toBe('{"score": 0.25, "parts": ["x", "y"]}')
})

test('name, notes and tags are edited in place and stay', async ({ page }) => {
  const id = await newExperiment('edits')
  const run = await newRun(id, 'before')
  await open(page, `/run/${run}`)
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('textbox', { name: 'Name of the run' }).fill('after')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'after' })).toBeVisible()
  await page.getByRole('button', { name: /What was this run about/ }).click()
  await page.getByRole('textbox', { name: 'Notes in Markdown' }).fill('## Result\n\nIt **works**.')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.locator('.markdown strong')).toHaveText('works')
  await page.getByRole('textbox', { name: 'Key of a new tag' }).fill('stage')
  await page.getByRole('textbox', { name: 'Value of the new tag' }).fill('draft')
  await page.getByRole('button', { name: 'Set' }).click()
  await expect(page.getByRole('button', { name: 'Remove tag stage' })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('heading', { level: 1, name: 'after' })).toBeVisible()
  await expect(page.locator('.markdown [role=heading]')).toHaveText('Result')
  await page.getByRole('button', { name: 'Remove tag stage' }).click()
  await expect(page.getByRole('button', { name: 'Remove tag stage' })).toHaveCount(0)
})

test('a run that is not there says so', async ({ page }) => {
  await open(page, '/run/00000000000000000000000000000000')
  await expect(page.getByRole('alert')).toContainText('00000000000000000000000000000000')
  await expect(page.getByRole('link', { name: 'All runs' })).toBeVisible()
})
