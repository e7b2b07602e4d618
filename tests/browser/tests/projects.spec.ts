// Projects in the window: found in a folder, opened, filled in, run, run again; environments; the watch. Everything is
// done by real processes on real folders.

import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, open, test } from './slipway'

const MLPROJECT = `name: wine
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      rows: int
    command: "sh train.sh {alpha} {rows}"
  check:
    command: "sh -c 'echo checked'"
`
const SCRIPT = `import argparse
p = argparse.ArgumentParser(description="Prints what it was given.")
p.add_argument("--depth", type=int, default=3, help="levels of a tree")
p.add_argument("--kind", choices=["gbm", "forest"], default="gbm")
p.add_argument("--fast", action="store_true")
`

let folder: string
test.beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-wine-')))
  writeFileSync(join(folder, 'MLproject'), MLPROJECT)
  writeFileSync(join(folder, 'train.sh'), 'echo "alpha $1 rows $2"\n')
  writeFileSync(join(folder, 'tool.py'), SCRIPT)
  mkdirSync(join(folder, 'notebooks'))
  writeFileSync(
    join(folder, 'notebooks/eda.ipynb'),
    JSON.stringify({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  )
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const project = (more = '') => `/project?at=${encodeURIComponent(folder)}${more}`

async function accessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    // Nothing can be asked inside of a frame without scripts.
    expect((await new AxeBuilder({ page }).exclude('iframe').analyze()).violations).toEqual([])
  }
}

test('a folder is looked into, all of it is listed, and what can be opened is opened at once', async ({
  page,
}) => {
  await open(page, `/inspect?path=${encodeURIComponent(folder)}`)
  await expect(page.getByText('wine; entry points main(alpha, rows), check')).toBeVisible()
  await expect(page.getByRole('checkbox')).toHaveCount(2)
  await expect(page.getByRole('link', { name: 'notebooks/eda.ipynb' })).toBeVisible()
  await accessible(page)
  const accept = page.getByRole('button', { name: 'Open 1 project' })
  await expect(accept).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('wine')
  await open(page, '/projects')
  const card = page.getByRole('listitem').filter({ hasText: folder })
  await expect(card.getByRole('link', { name: 'check', exact: true })).toBeVisible()
  await expect(card).toContainText('2 entry points · 1 script')
  await expect(card).toContainText('not run yet')
  await accessible(page)
})

test('what is found opens on a page of its own, read only', async ({ page }) => {
  const cell = { cell_type: 'code', execution_count: 1, metadata: {}, source: 'print(6 * 7)' }
  const outputs = [
    { output_type: 'stream', name: 'stdout', text: '42\n' },
    {
      output_type: 'display_data',
      metadata: {},
      data: { 'text/html': '<b id="h">hi</b><script>parent.x = 1</script>' },
    },
  ]
  writeFileSync(
    join(folder, 'notebooks/eda.ipynb'),
    JSON.stringify({ cells: [{ ...cell, outputs }], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  )
  writeFileSync(
    join(folder, 'points.csv'),
    'x,y\n' + Array.from({ length: 250 }, (_, i) => `${i},${i * i}\n`).join(''),
  )
  writeFileSync(join(folder, 'flow.py'), 'from kfp import dsl\n\n@dsl.pipeline\ndef nightly():\n    pass\n')
  writeFileSync(join(folder, 'requirements.txt'), 'six\n')
  mkdirSync(join(folder, 'mlruns/1/r1'), { recursive: true })
  writeFileSync(join(folder, 'mlruns/1/meta.yaml'), "experiment_id: '1'\nartifact_location: x\nname: e\n")
  writeFileSync(join(folder, 'mlruns/1/r1/meta.yaml'), 'run_id: r1\nartifact_uri: x\n')

  const found = async (name: string) => {
    await open(page, `/inspect?path=${encodeURIComponent(folder)}`)
    await page.getByRole('link', { name, exact: true }).click()
  }
  await found('notebooks/eda.ipynb')
  const notebook = page.getByRole('region', { name: 'Notebook notebooks/eda.ipynb' })
  await expect(notebook).toContainText('print(6 * 7)')
  await expect(notebook).toContainText('42')
  await expect(page.frameLocator('iframe').locator('#h')).toHaveText('hi')
  expect(await page.evaluate(() => 'x' in window)).toBe(false)
  await expect(page.getByText('Read only: nothing in it is run.')).toBeVisible()
  await accessible(page)

  await found('points.csv')
  await expect(page.getByText('Rows 1–100 of 250')).toBeVisible()
  await page.getByRole('button', { name: 'Last' }).click()
  await expect(page.getByRole('region', { name: 'Table points.csv' })).toContainText('62001')

  await found('flow.py')
  await expect(page.getByText('nightly, in Python and not compiled')).toBeVisible()
  await expect(page.getByText('@dsl.pipeline')).toBeVisible()

  await found('mlruns')
  await expect(page.getByText('1 experiment, 1 run')).toBeVisible()
  await expect(page.getByText(`mlflow ui --backend-store-uri ${folder}/mlruns`)).toBeVisible()

  // An environment by itself opens where it can be made.
  const other = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-env-')))
  writeFileSync(join(other, 'requirements.txt'), 'six\n')
  await open(page, `/inspect?path=${encodeURIComponent(other)}`)
  await page.getByRole('button', { name: 'Open 1 project' }).click()
  await expect(page.getByRole('heading', { name: 'requirements.txt' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Make it now' })).toBeEnabled()
  await page.getByRole('tab', { name: 'Files' }).click()
  await page.getByRole('treeitem', { name: 'requirements.txt' }).click()
  await expect(page.getByText('six', { exact: true })).toBeVisible()
  rmSync(other, { recursive: true })
})

test('a folder comes from the browser, without what is generated, and is looked into like any other', async ({
  page,
}) => {
  mkdirSync(join(folder, '.git/objects'), { recursive: true })
  writeFileSync(join(folder, '.git/objects/secret'), 'x')
  await open(page, '/projects')
  await page.getByTestId('upload-folder').setInputFiles(folder)
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('4 files')
  await expect(dialog).toContainText('Left out: .git.')
  await accessible(page)
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('What is in here')
  await expect(page.getByText('wine; entry points main(alpha, rows), check')).toBeVisible()
  const at = await page.getByLabel('Path of a file or folder on this machine').inputValue()
  expect(at).toContain('/uploads/slipway-wine-')
  expect(existsSync(join(at, 'notebooks/eda.ipynb'))).toBe(true)
  expect(existsSync(join(at, '.git'))).toBe(false)
  await page.getByRole('button', { name: 'Open 1 project' }).click()
  await page.getByLabel('rows', { exact: false }).fill('3')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByTestId('log-lines')).toContainText('alpha 0.5 rows 3')

  // It lies in the data folder, and goes from there again.
  await open(page, '/projects')
  const section = page.getByRole('region', { name: 'Uploaded folders' })
  const row = section
    .getByRole('row')
    .filter({ has: page.getByRole('link', { name: basename(at), exact: true }) })
  const remove = row.getByRole('button', { name: 'Delete' })
  await expect(remove).toBeEnabled({ timeout: 30_000 })
  await remove.click()
  const asked = section.getByRole('alert')
  await expect(asked).toContainText(/Delete “slipway-wine-.*” with 4 files and free .*B\?/)
  await expect(asked).toContainText('1 run of it stays')
  await accessible(page)
  await asked.getByRole('button', { name: 'Keep' }).click()
  await expect(asked).toBeHidden()
  expect(existsSync(at)).toBe(true)
  await remove.click()
  await asked.getByRole('button', { name: 'Delete' }).click()
  await expect(row).toBeHidden()
  expect(existsSync(at)).toBe(false)
  await expect(page.getByRole('listitem').filter({ hasText: at })).toBeHidden()
})

test('a folder that is dropped on the page is asked about, and one that is too large is refused', async ({
  page,
}) => {
  await open(page, '/projects')
  // What a drop of a folder hands to the page; the browser makes real ones only from a file manager.
  const drop = (files: number) =>
    page.evaluate((count) => {
      const children = Array.from({ length: count }, (_, i) => ({
        isFile: true,
        isDirectory: false,
        name: `f${i}.py`,
        file: (done: (file: File) => void) => done(new File(['print(1)'], `f${i}.py`)),
      }))
      const entry = {
        isFile: false,
        isDirectory: true,
        name: 'dropped',
        createReader: () => {
          const left = [...children]
          return { readEntries: (done: (some: unknown[]) => void) => done(left.splice(0, 100)) }
        },
      }
      const transfer = new DataTransfer()
      transfer.items.add(new File(['x'], 'dropped'))
      DataTransferItem.prototype.webkitGetAsEntry = () => entry as unknown as FileSystemEntry
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }))
    }, files)
  await drop(5001)
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('more than 5,000 files')
  await expect(dialog.getByRole('button', { name: 'Upload', exact: true })).toBeDisabled()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await drop(150)
  await expect(dialog).toContainText('150 files')
  // Stopped on its way, nothing of it stays.
  await page.route('**/uploads/*/file?*', (route) => void route.abort('failed'))
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click()
  await expect(dialog.getByRole('alert')).toContainText('does not answer')
  await page.unroute('**/uploads/*/file?*')
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click()
  await expect(page.getByText('150 Python scripts')).toBeVisible()
})

test('the form checks every kind of value before anything starts', async ({ page }) => {
  writeFileSync(
    join(folder, 'MLproject'),
    `name: kinds
entry_points:
  main:
    parameters:
      ratio: float
      count: {type: int, default: 3}
      word: {type: string, default: a}
      table: path
      source: {type: uri, default: "s3://bucket/x"}
    command: "echo {ratio} {count} {word} {table} {source}"
`,
  )
  await open(page, project())
  const run = page.getByRole('button', { name: 'Run', exact: true })
  const field = (name: string) => page.getByRole('textbox', { name: new RegExp(`^${name}`) })
  await field('ratio').fill('0.5')
  await field('table').fill(join(folder, 'MLproject'))
  await expect(run).toBeEnabled()
  for (const [name, wrong, said, right] of [
    ['ratio', 'half', 'A number, e.g. 0.5 or 1e-3.', '1e-3'],
    ['count', '1.5', 'A whole number.', '4'],
    ['source', 'bucket', 'An address, e.g. s3://bucket/data.', 'https://host/x'],
    ['table', '', 'Needs a value.', join(folder, 'MLproject')],
  ] as const) {
    await field(name).fill(wrong)
    await expect(page.getByText(said)).toBeVisible()
    await expect(run).toBeDisabled()
    await field(name).fill(right)
    await expect(run).toBeEnabled()
  }
  // A path that is not there is found by the server, and said at its field.
  await field('table').fill('/not/there.csv')
  await expect(page.getByText('/not/there.csv').last()).toBeVisible()
  await expect(run).toBeDisabled()
})

test('a storm of changes is looked at now and then, and the page says so', async ({ page }) => {
  await open(page, project())
  await page.getByRole('button', { name: 'Keep it open' }).click()
  await expect(page.getByText('follows changes')).toBeVisible()
  // A storm is thousands of changes in one second: a busy machine may need several tries to make one.
  const storm = page.getByText('too much changes at once', { exact: false })
  await expect(async () => {
    for (let i = 0; i < 12_000; i++) writeFileSync(join(folder, `${i % 200}.bin`), String(i))
    await expect(storm).toBeVisible({ timeout: 3_000 })
  }).toPass({ timeout: 35_000 })
  await page.getByRole('button', { name: 'Close', exact: true }).click()
})

test('values are checked before anything starts; the plan says exactly what runs; it is run, and run again', async ({
  page,
}) => {
  await open(page, project())
  const run = page.getByRole('button', { name: 'Run', exact: true })
  await expect(page.getByRole('status').filter({ hasText: 'rows needs a value.' })).toBeVisible()
  await expect(run).toBeDisabled()
  await page.getByLabel('rows', { exact: false }).fill('many')
  await expect(page.getByText('A whole number.')).toBeVisible()
  await page.getByLabel('rows', { exact: false }).fill('12')
  await page.getByLabel('alpha', { exact: false }).fill('0.25')
  const preview = page.getByRole('region', { name: 'What will run' })
  await expect(preview.locator('pre')).toHaveText('sh train.sh 0.25 12')
  await expect(preview).toContainText(folder)
  await expect(preview).toContainText('rows = 12')
  await accessible(page)
  await run.click()
  await expect(page.getByTestId('log-lines')).toContainText('alpha 0.25 rows 12')
  await expect(page.locator('header .state').first()).toHaveText('succeeded')
  await page.getByRole('link', { name: 'Clone with edits…' }).click()
  await expect(page.getByLabel('alpha', { exact: false })).toHaveValue('0.25')
  await expect(page.getByLabel('rows', { exact: false })).toHaveValue('12')
  await page.getByRole('tab', { name: /^Runs/ }).click()
  await page.getByRole('tabpanel').getByRole('link').first().click()
  // Exactly the same, although the folder is another by now.
  writeFileSync(join(folder, 'train.sh'), 'echo changed\n')
  await page.getByRole('button', { name: 'Run again exactly' }).click()
  await expect(page.getByTestId('log-lines')).toContainText('alpha 0.25 rows 12')
  await expect(page.locator('header .state').first()).toHaveText('succeeded')
})

test('a script gets a form from its source, and shell characters stay one word', async ({ page }) => {
  await open(page, project('&entry=tool.py'))
  await expect(page.getByText('Prints what it was given.')).toBeVisible()
  await page.getByLabel('depth', { exact: false }).fill('5')
  await page.getByLabel('kind', { exact: false }).selectOption('forest')
  await page.getByLabel('fast').check()
  await page.getByText('Further parameters').press('Enter')
  await page.getByLabel('Further parameters, one name=value a line').fill('note=a b; $(id)')
  await expect(page.getByRole('region', { name: 'What will run' }).locator('pre')).toHaveText(
    "python tool.py --depth 5 --kind forest --fast --note 'a b; $(id)'",
  )
})

test('new files and a broken MLproject show up by themselves', async ({ page }) => {
  await open(page, project())
  await page.getByRole('button', { name: 'Keep it open' }).click()
  await expect(page.getByText('follows changes')).toBeVisible()
  writeFileSync(join(folder, 'later.py'), SCRIPT)
  await expect(page.getByRole('button', { name: /^later\.py/ })).toBeVisible()
  writeFileSync(join(folder, 'MLproject'), 'entry_points: [')
  await expect(page.getByRole('alert').first()).toContainText('line')
  await page.getByRole('button', { name: 'Close' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Projects')
})

test('an environment is made with its log in sight, and what cannot be made says why', async ({ page }) => {
  writeFileSync(join(folder, 'requirements.txt'), 'slipway-no-such-package-here==999\n')
  await open(page, project('&tab=environments'))
  await page.getByRole('button', { name: 'Make it now' }).click()
  const log = page.getByRole('region', { name: 'Log of the environment' })
  await expect(log.locator('.state')).toHaveText('failed', { timeout: 40_000 })
  await expect(log).toContainText('slipway-no-such-package-here')
  await open(page, '/environments')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Environments')
  await accessible(page)
})
