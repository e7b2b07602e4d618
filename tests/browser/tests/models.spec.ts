import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import AxeBuilder from '@axe-core/playwright'
import type { Locator, Page } from '@playwright/test'
import { expect, mlflow, open, test, token, url } from './slipway'

interface Made {
  run_id: string
  model_id: string
}

const stamp = Date.now().toString(36)
const encoded = encodeURIComponent

/** Four versions by the stock client: plain, worse (a pickle), with a column more, better. */
function logged(name: string): Made[] {
  const out = execFileSync(
    process.env.SLIPWAY_PYTHON ?? 'python3',
    ['fixtures/models.py', url, name, `models ${name}`],
    {
      env: {
        ...process.env,
        MLFLOW_DISABLE_TELEMETRY: 'true',
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true',
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
      },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  return JSON.parse(out.trim().split('\n').at(-1) ?? '[]') as Made[]
}

async function slipway<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${url}/api/slipway/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

async function holderOf(name: string, alias: string): Promise<number | undefined> {
  const { model } = await slipway<{ model: { aliases: { alias: string; version: number }[] } }>(
    `/models/one?name=${encoded(name)}`,
  )
  return model.aliases.find((held) => held.alias === alias)?.version
}

const setAlias = (name: string, alias: string, version: number) =>
  mlflow('registered-models/alias', { name, alias, version: String(version) })

const row = (page: Page, key: string | number): Locator =>
  page.locator(`[role=row][data-key="${String(key)}"]`)
const holder = (page: Page, target: string): Locator =>
  page
    .getByRole('list', { name: 'Aliases and stages' })
    .getByRole('button', { name: new RegExp(`^${target},`) })

async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter((fault) => fault.impact === 'serious' || fault.impact === 'critical')
    .flatMap((fault) => fault.nodes.map((node) => `${fault.id}: ${node.target.join(' ')}`))
}

const model = `classifier ${stamp} 50 % ?#&`
let made: Made[] = []

test.beforeAll(() => {
  test.setTimeout(240_000)
  made = logged(model)
})

test('the list finds models by words and by filter, and says what is wrong with one', async ({ page }) => {
  await setAlias(model, 'first', 1)
  await open(page, '/home')
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name: 'Models' }).click()
  await expect(row(page, model)).toContainText('v4')
  await expect(row(page, model)).toContainText('@first')

  const filter = page.getByRole('combobox', { name: 'Filter models' })
  await filter.fill(`metrics.auc > 0.94 and name = '${model}'`)
  await filter.press('Enter')
  await expect(row(page, model)).toBeVisible()
  await expect(page.locator('[role=row][data-key]')).toHaveCount(1)
  await filter.fill(`metrics.auc > 0.9999 and name = '${model}'`)
  await filter.press('Enter')
  await expect(page.getByText('No model fits the filter')).toBeVisible()
  await filter.fill('nonsense = 3')
  await filter.press('Enter')
  await expect(filter).toHaveAttribute('aria-invalid', 'true')
  await expect(page.locator('#filter-problem')).toContainText('nonsense')
  await filter.fill('al')
  await expect(page.getByRole('option', { name: /^alias/ })).toBeVisible()
  await filter.fill(stamp)
  await filter.press('Enter')
  await expect(row(page, model)).toBeVisible()
  await row(page, model).focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: model })).toBeVisible()
})

test('versions are sorted by what they measured, chosen by keys and compared', async ({ page }) => {
  await open(page, `/models/${encoded(model)}`)
  await expect(row(page, 4)).toBeVisible()
  await page.getByRole('button', { name: 'Metric columns' }).click()
  const holdout = page.getByRole('checkbox', { name: /auc on holdout/ })
  if (!(await holdout.isChecked())) await holdout.check()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'auc · holdout' }).click()
  await expect(page.getByRole('columnheader', { name: /auc · holdout/ })).toHaveAttribute(
    'aria-sort',
    'descending',
  )
  await expect(page.locator('[role=row][data-index="0"]')).toHaveAttribute('data-key', '4')
  await expect(page.locator('[role=row][data-index="3"]')).toHaveAttribute('data-key', '2')

  await row(page, 4).focus()
  await page.keyboard.press('x')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('x')
  await expect(row(page, 3)).toHaveAttribute('aria-selected', 'true')
  await page.keyboard.press('d')
  await page.getByRole('combobox', { name: 'All are held against' }).selectOption('v4')
  const panel = page.getByRole('tabpanel')
  await expect(panel.getByRole('row', { name: /auc on holdout/ })).toContainText(/▼\s*0\.02\s*worse/)
  await expect(panel.getByRole('row', { name: /^Signature/ })).toContainText('incompatible')
  await expect(panel.getByRole('row', { name: /^Signature/ })).toContainText('velocity')
})

test('a version shows what it measures, takes, needs, holds and where it came from', async ({ page }) => {
  const worse = made[1]
  if (!worse) throw new Error('the second version was not made')
  await open(page, `/models/${encoded(model)}/versions/2`)
  await expect(page.getByRole('list', { name: 'Warnings' })).toContainText('pickle')
  await expect(page.getByRole('row', { name: /^auc/ })).toContainText('0.8')
  await expect(page.getByRole('columnheader', { name: 'holdout' })).toBeVisible()
  await expect(page.getByRole('row', { name: /distance_km double/ })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Input example' }).getByRole('row')).toHaveCount(4)
  const aside = page.getByRole('complementary', { name: 'About the version' })
  await expect(aside.getByRole('link', { name: 'worse', exact: true })).toHaveAttribute(
    'href',
    `#/run/${worse.run_id}`,
  )
  await expect(aside.getByLabel('Code that loads it')).toContainText('mlflow.pyfunc.load_model')
  await aside.getByRole('combobox', { name: 'Way to load' }).selectOption('sklearn')
  await expect(aside.getByLabel('Code that loads it')).toContainText('mlflow.sklearn.load_model')
  await aside.getByRole('button', { name: 'Check the hashes' }).click()
  await expect(aside.getByRole('status')).toContainText(/what they were/i)

  await page.getByRole('button', { name: /What is different in this version/ }).click()
  await page.getByRole('textbox', { name: 'Notes in Markdown' }).fill('Trained **too short**.')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(aside.locator('strong')).toHaveText('too short')

  await page.getByRole('tab', { name: /Files/ }).click()
  await page.getByRole('treeitem', { name: /MLmodel/ }).click()
  await expect(page.getByText('python_function').first()).toBeVisible()
  await page.getByRole('treeitem', { name: /model\.pkl/ }).click()
  await expect(page.getByText('Slipway never loads one')).toBeVisible()
})

test('rules refuse, promotion and rollback move, and every step is in the history', async ({ page }) => {
  await open(page, `/models/${encoded(model)}?tab=rules`)
  const panel = page.getByRole('tabpanel')
  await panel.getByRole('combobox', { name: 'Metric' }).selectOption({ label: 'auc on holdout' })
  await panel.getByRole('button', { name: 'Add the rule' }).click()
  await expect(panel.getByRole('listitem')).toContainText('auc on holdout is not lower')
  await panel.getByRole('combobox', { name: 'Rule' }).selectOption('signature')
  await panel.getByRole('button', { name: 'Add the rule' }).click()
  await expect(panel.getByRole('listitem')).toHaveCount(2)

  const sheet = page.getByRole('dialog')
  const promote = async (version: number) => {
    await open(page, `/models/${encoded(model)}/versions/${version}`)
    await page.getByRole('button', { name: 'Promote…' }).click()
    await sheet.getByRole('combobox', { name: 'Alias or stage' }).selectOption('@champion')
  }
  await promote(1)
  await expect(sheet).toContainText('becomes the first')
  await sheet.getByRole('button', { name: 'Promote to @champion' }).click()
  await expect(sheet).toBeHidden()
  expect(await holderOf(model, 'champion')).toBe(1)

  // Worse, and with another signature: both are refused before anything happens, with the reason.
  await promote(2)
  await expect(sheet.getByRole('region', { name: 'Rules' })).toContainText(/0\.8.*0\.9/)
  await expect(sheet.getByRole('row', { name: /auc on holdout/ })).toContainText('worse')
  await expect(sheet.getByRole('button', { name: 'Promote to @champion' })).toBeDisabled()
  await promote(3)
  await expect(sheet).toContainText('velocity')
  await expect(sheet.getByRole('button', { name: 'Promote to @champion' })).toBeDisabled()
  await page.keyboard.press('Escape')

  await promote(4)
  await expect(sheet).toContainText(`models:/${model}@champion`)
  await sheet.getByRole('textbox', { name: /Note/ }).fill('better on the holdout')
  await sheet.getByRole('button', { name: 'Promote to @champion' }).click()
  await expect(page.getByText(/@champion of .* is version 4 now/)).toBeVisible()
  expect(await holderOf(model, 'champion')).toBe(4)
  await page.getByRole('button', { name: 'Undo' }).first().click()
  await expect.poll(() => holderOf(model, 'champion')).toBe(1)
  await page.getByRole('button', { name: 'Redo' }).first().click()
  await expect.poll(() => holderOf(model, 'champion')).toBe(4)

  await open(page, `/models/${encoded(model)}`)
  await holder(page, '@champion').click()
  await page.getByRole('menuitem', { name: /^v1 / }).click()
  await expect(page.getByText(/@champion of .* is version 1 again/)).toBeVisible()
  await expect(holder(page, '@champion')).toContainText('v1')
  expect(await holderOf(model, 'champion')).toBe(1)

  await page.getByRole('tab', { name: 'History' }).click()
  const history = page.getByRole('region', { name: 'History' }).getByRole('listitem')
  await expect(history.first()).toContainText('Rollback: @champion moved from v4 to v1')
  await expect(page.getByText('“better on the holdout”')).toBeVisible()
  await expect(history.filter({ hasText: 'Undo: @champion moved from v4 to v1' })).toHaveCount(1)
})

test('what another client does is seen at once, and refused by the same rules', async ({ page }) => {
  await open(page, `/models/${encoded(model)}`)
  await expect(holder(page, '@champion')).toContainText('v1')
  await setAlias(model, 'champion', 4)
  await expect(holder(page, '@champion')).toContainText('v4')
  await expect(setAlias(model, 'champion', 2)).rejects.toThrow(/auc/)
  expect(await holderOf(model, 'champion')).toBe(4)
})

test('the lineage is a graph that keys walk through, and a list', async ({ page }) => {
  await open(page, `/models/${encoded(model)}/versions/4?tab=lineage`)
  const graph = page.getByRole('group', { name: /Lineage as a graph/ })
  const start = graph.locator('[aria-current="true"]')
  await expect(start).toContainText('4')
  await start.focus()
  await page.keyboard.press('ArrowLeft')
  await expect(page.locator(':focus')).toHaveAccessibleName(/Logged model|Run/)
  await page.keyboard.press('ArrowRight')
  await expect(start).toBeFocused()
  await expect(graph.getByRole('link', { name: /Dataset october/ })).toBeVisible()
  await expect(graph.getByRole('link', { name: /Alias .*champion/ })).toBeVisible()
  const list = page.getByRole('row', { name: /better/ }).first()
  await list.getByRole('link', { name: 'better' }).first().click()
  await expect(page.getByRole('heading', { name: 'better' })).toBeVisible()
})

test('a logged model is registered from its run, which then names the version', async ({ page }) => {
  const [first] = made
  if (!first) throw new Error('nothing was made')
  const name = `from a run ${stamp}`
  await open(page, `/run/${first.run_id}`)
  await page.getByRole('button', { name: 'Register classifier' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText(/sklearn/)
  await dialog.getByRole('combobox', { name: /Model/ }).fill(name)
  await dialog.getByRole('button', { name: 'Register', exact: true }).click()
  await expect(page.getByRole('heading', { name: `${name} v1` })).toBeVisible()
  await page.getByRole('link', { name: 'plain', exact: true }).first().click()
  await expect(page.getByRole('link', { name: `${name} v1` })).toBeVisible()
})

test('a file or folder of this machine is looked at before it is registered', async ({ page }) => {
  await open(page, '/models')
  await page.getByRole('button', { name: 'Register…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: /Path of a file/ }).fill('/no/such/model.onnx')
  await dialog.getByRole('button', { name: 'Look' }).click()
  await expect(dialog.getByRole('alert')).toBeVisible()
  await expect(dialog.getByRole('button', { name: 'Register', exact: true })).toBeDisabled()
})

test('hundreds of versions hold only the rows on screen', async ({ page }) => {
  const name = `many ${stamp}`
  await mlflow('registered-models/create', { name })
  for (let i = 0; i < 250; i++) await mlflow('model-versions/create', { name, source: `s3://models/${i}` })
  await open(page, `/models/${encoded(name)}`)
  await expect(row(page, 250)).toBeVisible()
  expect(await page.locator('[role=row][data-index]').count()).toBeLessThan(80)
  await row(page, 250).focus()
  await page.keyboard.press('End')
  await expect(row(page, 1)).toBeFocused()
  await expect(page.getByRole('grid')).toHaveAttribute('aria-rowcount', '251')
})

test.describe('webhooks', () => {
  let receiver: Server
  test.beforeAll(() => {
    receiver = createServer((_, response) => response.end('thanks'))
    receiver.listen(0, '127.0.0.1')
  })
  test.afterAll(() => {
    receiver.close()
  })

  test('are made, tried, turned off and deleted; a secret is never shown again', async ({ page }) => {
    const address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
    const name = `chat-${stamp}`
    await open(page, '/webhooks')
    await page.getByRole('button', { name: 'New webhook…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox', { name: 'Name' }).fill(name)
    await dialog.getByRole('textbox', { name: 'Address' }).fill('https://example.com/hook')
    await dialog.getByRole('button', { name: 'All' }).click()
    await dialog.getByRole('button', { name: 'Make one' }).click()
    const secret = await dialog.getByRole('textbox', { name: 'Secret' }).inputValue()
    expect(secret).toMatch(/^[0-9a-f]{64}$/)
    await dialog.getByRole('button', { name: 'Make the webhook' }).click()
    const hook = page.getByRole('listitem').filter({ hasText: name })
    await expect(hook).toContainText('signed')
    expect(await page.content()).not.toContain(secret)

    // This machine is no target unless whoever starts the server says so.
    await hook.getByRole('button', { name: `Edit ${name}` }).click()
    await expect(dialog.getByRole('textbox', { name: 'Secret' })).toHaveValue('')
    await dialog.getByRole('textbox', { name: 'Address' }).fill(address)
    await dialog.getByRole('button', { name: 'Save' }).click()
    const { to_private } = await slipway<{ to_private: boolean }>('/webhooks')
    if (to_private) {
      await expect(dialog).toBeHidden()
      await hook.getByRole('button', { name: `Try ${name}` }).click()
      await expect(hook.getByRole('status')).toContainText('It answered with 200')
    } else {
      await expect(dialog.getByRole('alert')).toContainText('https://')
      await page.keyboard.press('Escape')
      await expect(dialog).toBeHidden()
    }
    await hook.getByRole('button', { name: `Deliveries of ${name}` }).click()
    await expect(hook).toContainText('Nothing was sent yet')
    await hook.getByRole('button', { name: `Turn ${name} off` }).click()
    await expect(hook).toContainText('off')
    await hook.getByRole('button', { name: `Delete ${name}` }).click()
    await expect(hook).toHaveCount(0)
  })
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    test('the screens of models are accessible', async ({ page }) => {
      await open(page, '/models')
      await expect(row(page, model)).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      for (const tab of ['', 'compare&versions=1,2,3', 'rules', 'lineage', 'history']) {
        await open(page, `/models/${encoded(model)}${tab ? `?tab=${tab}` : ''}`)
        const shown = page.getByRole('tabpanel')
        if (tab) await expect(shown.getByRole('region').first()).not.toBeEmpty()
        else await expect(row(page, 4)).toBeVisible()
        if (tab === 'lineage') await expect(page.getByRole('group', { name: /as a graph/ })).toBeVisible()
        expect(await faultsOf(page), `tab ${tab}`).toEqual([])
      }
    })

    test('the screens of versions and webhooks are accessible', async ({ page }) => {
      for (const tab of ['overview', 'files', 'history']) {
        await open(page, `/models/${encoded(model)}/versions/2?tab=${tab}`)
        await expect(page.getByRole('list', { name: 'Warnings' })).toBeVisible()
        expect(await faultsOf(page), `version tab ${tab}`).toEqual([])
      }
      await page.getByRole('button', { name: 'Promote…' }).click()
      await expect(page.getByRole('dialog').getByRole('table')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await open(page, '/webhooks')
      await page.getByRole('button', { name: 'New webhook…' }).click()
      await expect(page.getByRole('dialog')).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
    })
  })
}
