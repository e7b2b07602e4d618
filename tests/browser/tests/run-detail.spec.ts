// Every tab of a run, with what the stock client leaves behind, and with files that are not what they claim.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { faultsOf } from './faults'
import { expect, logMetric, mlflow, newExperiment, newRun, open, putArtifact, test, url } from './slipway'

const PYTHON =
  process.env.SLIPWAY_PYTHON ?? fileURLToPath(new URL('../../../target/venv/bin/python', import.meta.url))

/** Runs a script of the stock client, which prints a run's id last. */
function client(script: string): string {
  const out = execFileSync(PYTHON, ['-c', `import mlflow\n${script}`], {
    encoding: 'utf8',
    env: {
      ...process.env,
      MLFLOW_TRACKING_URI: url,
      MLFLOW_DISABLE_TELEMETRY: 'true',
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
      MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true',
    },
  })
  return out.trim().split('\n').at(-1) ?? ''
}

const LINES = 200_000
const logged = (() => {
  let run: string | undefined
  return () =>
    (run ??= client(`
import os, tempfile
import numpy as np
mlflow.set_experiment("run detail")
folder = tempfile.mkdtemp()
with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_params({"model.lr": "0.01", "model.depth": 4, "seed": 1})
    mlflow.log_metric("val/loss", 0.4)
    with mlflow.start_run(run_name="child", nested=True) as run:
        mlflow.log_params({"model.lr": "0.003", "model.depth": 4, "seed": 2, "long": "x" * 700})
        for step in range(30):
            mlflow.log_metrics({
                "val/loss": 1 / (step + 2), "grad_norm": float("nan") if step > 19 else 1.0,
                "system/cpu_utilization_percentage": 50 + step,
            }, step=step)
        for step, colour in ((0, (255, 0, 0)), (10, (0, 255, 0))):
            mlflow.log_image(np.full((8, 8, 3), colour, dtype="uint8"), key="val/sample", step=step)
        mlflow.log_table({"prompt": ["alpha", "beta"], "score": [0.25, 0.5]}, "predictions.json")
        mlflow.log_text("# Report\\n\\nSome **bold** text", "report.md")
        mlflow.log_text("numpy==2.0\\n", "env/requirements.txt")
        mlflow.log_text("--- a/train.py\\n+++ b/train.py\\n@@ -1,2 +1,2 @@\\n import x\\n-lr = 1\\n+lr = 2\\n", "code/patch.diff")
        mlflow.log_text("id,text\\n" + "".join(f"{i},row {i}\\n" for i in range(5000)), "rows.csv")
        import pandas
        pandas.DataFrame({"id": range(3000), "name": [f"n{i}" for i in range(3000)]}).to_parquet(
            f"{folder}/frame.parquet", row_group_size=1000)
        mlflow.log_artifact(f"{folder}/frame.parquet")
        mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"a": [1]}), name="claims"), context="training")
        with open(f"{folder}/train.log", "w") as log:
            for i in range(${LINES}):
                log.write("ERROR: it broke here\\n" if i == 150_000 else f"step {i} \\x1b[32mok\\x1b[0m <b>bold</b>\\n")
            log.write("10%\\r50%\\r100%\\n")
        mlflow.log_artifact(f"{folder}/train.log", "logs")
        mlflow.log_text("Traceback (most recent call last):\\n  File \\"t.py\\", line 9, in go\\n    raise ValueError\\nValueError: bad shape\\n", "logs/stderr.txt")
        mlflow.set_tag("mlflow.source.git.commit", "3f2c1aa0d9")
    mlflow.MlflowClient().set_terminated(run.info.run_id, "FAILED")
client = mlflow.MlflowClient()
name = "run-detail-" + run.info.run_id
client.create_registered_model(name)
client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
client.set_registered_model_alias(name, "champion", "1")
print(run.info.run_id)
`))
})()

test('the overview says what went wrong first, what is best, and what differs from the parent', async ({
  page,
}) => {
  await open(page, `/run/${logged()}`)
  const problem = page.getByRole('region', { name: 'First problem' })
  await expect(problem).toContainText('grad_norm is not a finite number at step 20')
  await expect(page.getByTestId('last-words')).toContainText('ValueError: bad shape')
  const loss = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'val/loss' }) })
  await expect(loss).toContainText('@ 29')
  await expect(loss).toContainText('better')
  const lr = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'model.lr' }) })
  await expect(lr).toContainText('was 0.01')
  const depth = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'model.depth' }) })
  await expect(depth).not.toContainText('was')
  await problem.getByRole('link', { name: /logs\/stderr\.txt/ }).click()
  await expect(page.locator('.target')).toContainText('File "t.py"')
})

test('params are a tree that is searched and copied', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await open(page, `/run/${logged()}?tab=config`)
  const params = page.getByRole('region', { name: 'Params' })
  await expect(params.locator('summary', { hasText: 'model' })).toBeVisible()
  await page.getByLabel('Find params and values').fill('lr')
  await expect(params).not.toContainText('seed')
  await page.getByRole('button', { name: 'JSON' }).click()
  expect(JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))).toEqual({ 'model.lr': 0.003 })
  await page.getByLabel('Find params and values').fill('')
  await page.getByLabel(/Only what differs/).check()
  await expect(params).not.toContainText('depth')
})

test('pictures follow the step', async ({ page }) => {
  await open(page, `/run/${logged()}?tab=media`)
  const figure = page.locator('figure', { hasText: 'val/sample' })
  await expect(figure).toContainText('step 10')
  const source = () => figure.locator('img').getAttribute('src')
  await expect.poll(source).toContain('step')
  const last = await source()
  await page.getByRole('button', { name: 'Earlier step' }).click()
  await expect(figure).toContainText('step 0')
  await expect.poll(source).not.toBe(last)
})

test('a long log opens at its end, is searched, and shows markup as text', async ({ page }) => {
  await open(page, `/run/${logged()}?tab=logs&log=logs/train.log`)
  const log = page.getByTestId('log-lines')
  await expect(log).toContainText(`step ${LINES - 1} ok <b>bold</b>`)
  await expect(log.locator('.line').last()).toContainText('100%')
  await expect(page.locator('.ansi-green-fg').first()).toHaveText('ok')
  await expect(log.locator('b')).toHaveCount(0)
  expect(await log.locator('.line').count()).toBeLessThan(200)
  await page.getByLabel('Search the log').fill('step 1234')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('status').filter({ hasText: ' of ' })).toContainText('of 111')
  await expect(page.locator('.target mark')).toHaveText('step 1234')
  await page.getByRole('button', { name: 'Next match' }).click()
  await expect(page.getByRole('status').filter({ hasText: ' of ' })).toContainText('of 111')
  await page.getByRole('button', { name: 'First error' }).click()
  await expect(page.locator('.target')).toContainText('ERROR: it broke here')
  await expect(page.locator('.target')).toHaveAttribute('data-line', '150001')
  await page.getByRole('button', { name: 'Regular expression' }).click()
  await page.getByLabel('Search the log').fill('(')
  await page.keyboard.press('Enter')
  await expect(page.getByText('not a pattern')).toBeVisible()
})

test('a log is followed while it grows', async ({ page }) => {
  const id = await newExperiment('growing log')
  const run = await newRun(id, 'growing')
  await putArtifact(id, run, 'logs/stdout.txt', 'first\n')
  await open(page, `/run/${run}?tab=logs`)
  await expect(page.getByTestId('log-lines')).toContainText('first')
  await putArtifact(id, run, 'logs/stdout.txt', 'first\n' + 'more\n'.repeat(3000) + 'newest\n')
  await expect(page.getByTestId('log-lines')).toContainText('newest')
  await expect(page.getByText('3,002 lines')).toBeVisible()
})

test('tables come by the page, from CSV, Parquet and log_table', async ({ page }) => {
  const run = logged()
  await open(page, `/run/${run}?tab=artifacts&file=rows.csv`)
  await expect(page.getByText('of 5,000')).toBeVisible()
  await page.getByRole('button', { name: 'Last' }).click()
  await expect(page.getByRole('cell', { name: 'row 4999' })).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=frame.parquet`)
  await expect(page.getByText('of 3,000')).toBeVisible()
  await page.getByRole('button', { name: 'Last' }).click()
  await expect(page.getByRole('cell', { name: 'n2999' })).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=predictions.json`)
  await expect(page.getByRole('cell', { name: 'beta' })).toBeVisible()
})

test('all files come down as one archive', async ({ page }) => {
  await open(page, `/run/${logged()}?tab=artifacts`)
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'All' }).click(),
  ])
  expect(download.suggestedFilename()).toMatch(/\.zip$/)
  const names = execFileSync(
    PYTHON,
    [
      '-c',
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print("\\n".join(z.namelist()))',
      await download.path(),
    ],
    { encoding: 'utf8' },
  )
  expect(names.split('\n')).toEqual(
    expect.arrayContaining(['logs/train.log', 'report.md', 'code/patch.diff']),
  )
})

test('a figure of Plotly is drawn without the network, and cannot reach the page', async ({
  page,
  faults,
}) => {
  const id = await newExperiment('plotly')
  const run = await newRun(id, 'plotly')
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && /^https?:/.test(request.url())) elsewhere.push(request.url())
  })
  const data = [{ type: 'bar', x: ['<img src=x onerror="parent.ran=1">', 'b'], y: [1, 2] }]
  await putArtifact(
    id,
    run,
    'figure.html',
    `<script src="https://cdn.plot.ly/plotly-3.0.0.min.js"></script><div id="f"></div>
     <script>parent.ran=1;Plotly.newPlot("f", ${JSON.stringify(data)}, {"title":{"text":"A title"}}, {})</script>`,
  )
  await open(page, `/run/${run}?tab=artifacts&file=figure.html`)
  await expect(page.locator('iframe')).toHaveAttribute('data-state', 'drawn')
  await expect(page.locator('iframe')).toHaveAttribute('sandbox', 'allow-scripts')
  await expect(page.frameLocator('iframe').locator('.gtitle')).toHaveText('A title')
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
  expect(elsewhere).toEqual([])
  // What the frame's own policy refused is what should happen.
  faults.length = 0
})

test('a notebook is read, and nothing in it is run', async ({ page, faults }) => {
  const id = await newExperiment('notebook')
  const run = await newRun(id, 'notebook')
  const cells = [
    { cell_type: 'markdown', source: ['# Title <script>window.ran=1</script>'] },
    {
      cell_type: 'code',
      execution_count: 1,
      source: 'print(1)',
      outputs: [
        {
          output_type: 'execute_result',
          data: { 'text/html': '<p id="x">html</p><script>parent.ran=1</script>' },
        },
        { output_type: 'error', traceback: ['\u001b[31mValueError\u001b[0m: <b>x</b>'] },
      ],
    },
  ]
  await putArtifact(id, run, 'eda.ipynb', JSON.stringify({ nbformat: 4, metadata: {}, cells }))
  await open(page, `/run/${run}?tab=artifacts&file=eda.ipynb`)
  const notebook = page.getByRole('region', { name: 'Notebook eda.ipynb' })
  await expect(notebook).toContainText('Title <script>')
  await expect(notebook).toContainText('ValueError: <b>x</b>')
  await expect(page.frameLocator('iframe').locator('#x')).toHaveText('html')
  await expect(page.locator('iframe')).toHaveAttribute('sandbox', '')
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
  faults.length = 0
})

test('files that are not what they claim say so', async ({ page }) => {
  const id = await newExperiment('claims')
  const run = await newRun(id, 'claims')
  await putArtifact(id, run, 'picture.png', '<script>window.ran=1</script>')
  await putArtifact(id, run, 'table.parquet', 'PAR1 cut off')
  await putArtifact(id, run, 'broken.json', '{"a": ')
  await putArtifact(id, run, 'broken.ipynb', 'no notebook')
  await open(page, `/run/${run}?tab=artifacts&file=picture.png`)
  await expect(page.getByText('Its name says image, but it is text.')).toBeVisible()
  await open(page, `/run/${run}?tab=media`)
  await expect(page.getByText(/picture\.png cannot be shown/)).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=table.parquet`)
  await expect(page.getByText(/not a Parquet file that can be read/)).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=broken.json`)
  await expect(page.getByText(/not valid JSON/).first()).toBeVisible()
  await open(page, `/run/${run}?tab=artifacts&file=broken.ipynb`)
  await expect(page.getByText(/not valid JSON/).first()).toBeVisible()
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
})

test('code, system and lineage', async ({ page }) => {
  const run = logged()
  await open(page, `/run/${run}?tab=code`)
  await expect(page.getByText('3f2c1aa0d9').first()).toBeVisible()
  const changes = page.getByRole('table', { name: /Changes in train\.py/ })
  await expect(changes.locator('.added')).toContainText('lr = 2')
  await expect(changes.locator('.removed .sign')).toContainText('−')
  await page.getByRole('button', { name: /requirements\.txt/ }).click()
  await expect(page.getByText('numpy==2.0')).toBeVisible()
  await open(page, `/run/${run}?tab=system`)
  await expect(page.locator('[data-metric="system/cpu_utilization_percentage"]').first()).toBeVisible()
  await open(page, `/run/${run}?tab=lineage`)
  const lineage = page.getByRole('region', { name: 'Lineage' })
  await expect(lineage).toContainText('claims')
  await expect(lineage).toContainText('@champion')
  await lineage.locator('a.node', { hasText: 'parent' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'parent' })).toBeVisible()
})

test('runs with nothing, with one point, with only NaN, and with 10,000 metrics', async ({ page }) => {
  const id = await newExperiment('odd runs')
  const empty = await newRun(id, 'empty')
  for (const [tab, words] of [
    ['overview', 'None yet'],
    ['charts', 'Nothing to draw yet'],
    ['config', 'No params were logged'],
    ['media', 'No pictures'],
    ['artifacts', 'No files were kept'],
    ['logs', 'No logs were kept'],
    ['system', 'enable_system_metrics_logging'],
    ['code', 'No patch'],
    ['lineage', 'Nothing is known'],
  ]) {
    await open(page, `/run/${empty}?tab=${tab}`)
    await expect(page.getByText(words ?? '').first()).toBeVisible()
  }
  const odd = await newRun(id, 'odd')
  await logMetric(odd, 'single', 1, 0)
  for (const step of [0, 1, 2]) {
    await mlflow('runs/log-metric', { run_id: odd, key: 'nothing', value: 'NaN', step, timestamp: 1 })
  }
  await open(page, `/run/${odd}`)
  await expect(page.getByRole('region', { name: 'First problem' })).toContainText('nothing')
  const many = await newRun(id, 'many')
  for (let from = 0; from < 10_000; from += 1000) {
    await mlflow('runs/log-batch', {
      run_id: many,
      metrics: Array.from({ length: 1000 }, (_, i) => ({
        key: `group${(from + i) % 50}/metric ${from + i}`,
        value: i,
        step: 0,
        timestamp: 1,
      })),
    })
  }
  await open(page, `/run/${many}`)
  await expect(page.getByText('200 of 10,000 metrics.')).toBeVisible()
  await page.getByLabel('Find metrics and params').fill('metric 9999')
  await expect(page.getByRole('rowheader', { name: 'group49/metric 9999' })).toBeVisible()
})

for (const theme of ['light', 'dark'] as const) {
  test(`every tab can be used by everyone, ${theme}`, async ({ page }) => {
    // Eight pages are looked through.
    test.slow()
    await page.emulateMedia({ colorScheme: theme })
    for (const [place, content] of [
      ['', '[data-testid=last-words]'],
      ['?tab=config', '.leaf'],
      ['?tab=media', 'figure img'],
      ['?tab=artifacts&file=rows.csv', 'td'],
      ['?tab=artifacts&file=report.md', '.markdown'],
      ['?tab=logs&log=logs/train.log', '.ansi-green-fg'],
      ['?tab=code', '.added'],
      ['?tab=lineage', 'a.node'],
    ] as const) {
      await open(page, `/run/${logged()}${place}`)
      await expect(page.locator(content).first()).toBeVisible()
      expect(await faultsOf(page), place).toEqual([])
    }
  })
}
