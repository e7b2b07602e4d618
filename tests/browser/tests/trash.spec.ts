import type { Locator, Page } from '@playwright/test'
import { faultsOf } from './faults'
import { expect, mlflow, newExperiment, newRun, open, putArtifact, test, token, url } from './slipway'

const row = (page: Page, id: string): Locator => page.locator(`tr[data-trash="${id}"]`)
const toast = (page: Page, text: RegExp): Locator => page.getByText(text).first()

async function deletedRun(experiment: string, name: string, bytes: number): Promise<string> {
  const run = await newRun(experiment, name)
  await putArtifact(experiment, run, 'model/weights', 'x'.repeat(bytes))
  await mlflow('runs/delete', { run_id: run })
  return run
}

async function exists(run: string): Promise<boolean> {
  const answer = await fetch(`${url}/api/2.0/mlflow/runs/get?run_id=${run}`)
  return answer.status === 200
}

test('shows what it frees, restores, and deletes for ever after asking', async ({ page }) => {
  const experiment = await newExperiment('trash')
  const kept = await deletedRun(experiment, 'has a version', 400_000)
  const plain = await deletedRun(experiment, 'plain', 200_000)
  const wanted = await deletedRun(experiment, 'wanted back', 100)
  const model = `trash-model-${experiment}`
  await mlflow('registered-models/create', { name: model })
  await mlflow('model-versions/create', {
    name: model,
    source: `mlflow-artifacts:/${experiment}/${kept}/artifacts/model`,
  })

  await open(page, '/runs')
  await page.getByRole('link', { name: 'Trash' }).click()
  await expect(page.getByRole('heading', { name: 'Trash', exact: true })).toBeVisible()
  // 200 kB are 49 blocks, and four folders have one each.
  await expect(row(page, plain)).toContainText(/21\d kB|22\d kB/)
  await expect(row(page, kept)).toContainText('+ kept')

  await page.getByRole('button', { name: 'Restore wanted back' }).click()
  await expect(toast(page, /Restored run wanted back/)).toBeVisible()
  await expect(row(page, wanted)).toHaveCount(0)

  await row(page, plain).getByRole('checkbox').check()
  await row(page, kept).getByRole('checkbox').check()
  await page.getByRole('toolbar').getByRole('button', { name: 'Delete for ever…' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText(/This frees 2\d\d kB/)
  await expect(dialog).toContainText(`used by ${model} version 1`)
  // Escape is no.
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  expect(await exists(plain)).toBe(true)

  await page.getByRole('toolbar').getByRole('button', { name: 'Delete for ever…' }).click()
  await dialog.getByRole('button', { name: 'Delete for ever' }).click()
  await expect(toast(page, /Deleted 2 things for ever, freed 2\d\d kB/)).toBeVisible()
  await expect(row(page, plain)).toHaveCount(0)
  await expect(page.getByRole('heading', { name: 'What stayed' })).toBeVisible()
  expect(await exists(plain)).toBe(false)
  const file = `${url}/api/2.0/mlflow-artifacts/artifacts/${experiment}`
  expect((await fetch(`${file}/${kept}/artifacts/model/weights`)).status).toBe(200)
  expect((await fetch(`${file}/${plain}/artifacts/model/weights`)).status).toBe(404)
})

test('the keyboard alone does it, and another window is told', async ({ page }) => {
  const experiment = await newExperiment('trash keys')
  const run = await deletedRun(experiment, 'by keyboard', 100)
  await open(page, '/trash')
  await row(page, run).getByRole('checkbox').focus()
  await page.keyboard.press('Space')
  await page.keyboard.press('Delete')
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('This frees')
  await dialog.getByRole('button', { name: 'Delete for ever' }).focus()
  await page.keyboard.press('Enter')
  await expect(row(page, run)).toHaveCount(0)
  // What is deleted elsewhere appears by itself.
  const other = await deletedRun(experiment, 'from elsewhere', 100)
  await expect(row(page, other)).toBeVisible()
})

test('deleting runs in the table says what emptying the trash frees', async ({ page }) => {
  const experiment = await newExperiment('trash toast')
  const run = await newRun(experiment, 'large')
  await putArtifact(experiment, run, 'a', 'x'.repeat(300_000))
  await open(page, `/runs?experiments=${experiment}`)
  await page.locator(`[role=row][data-run="${run}"]`).getByRole('checkbox').click()
  await page
    .getByRole('toolbar', { name: 'Selected runs' })
    .getByRole('button', { name: /Delete/ })
    .click()
  await expect(
    toast(page, /Moved 1 run to the trash: frees 3\d\d kB when the trash is emptied/),
  ).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(toast(page, /Undid: move 1 run to the trash/)).toBeVisible()
})

test('an empty trash and a failure say so', async ({ page }) => {
  await page.route('**/api/slipway/v1/trash?*', (route) =>
    route.fulfill({ json: { items: [], experiments: 0, runs: 0, logged_models: 0 } }),
  )
  await open(page, '/trash')
  await expect(page.getByText('The trash is empty.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Empty trash…' })).toBeDisabled()
  await page.unroute('**/api/slipway/v1/trash?*')
  await page.route('**/api/slipway/v1/trash?*', (route) =>
    route.fulfill({ status: 500, json: { code: 'internal', message: 'the disk is on fire' } }),
  )
  await open(page, '/trash')
  await expect(page.getByText('the disk is on fire')).toBeVisible()
})

test('files that nothing refers to are looked for and found', async ({ page }) => {
  const experiment = await newExperiment('strays')
  await putArtifact(experiment, 'nobody', 'stray', 'x'.repeat(1000))
  await open(page, '/trash')
  await page.getByRole('button', { name: 'Look for them' }).click()
  await expect(page.getByText(/changed within the last hour/)).toBeVisible()
  const answer = await fetch(`${url}/api/slipway/v1/gc/preview`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ older_than_ms: 0 }),
  })
  const found = (await answer.json()) as { items: { path: string }[] }
  expect(found.items.map(({ path }) => path)).toContain(`${experiment}/nobody`)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test('is accessible, with a selection and its question', async ({ page }) => {
      const experiment = await newExperiment(`trash ${theme}`)
      const run = await deletedRun(experiment, 'seen', 100)
      await open(page, '/trash')
      await expect(row(page, run)).toContainText('kB')
      await row(page, run).getByRole('checkbox').check()
      expect(await faultsOf(page)).toEqual([])
      await page.getByRole('toolbar').getByRole('button', { name: 'Delete for ever…' }).click()
      await expect(page.getByRole('dialog')).toContainText('This frees')
      expect(await faultsOf(page)).toEqual([])
    })
  })
}
