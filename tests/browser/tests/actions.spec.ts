// Every action of a screen is in the palette and, if it has a key, in the sheet of keys; and it does something.

import type { Page } from '@playwright/test'
import { chart, expect, mlflow, newExperiment, newRun, open, putArtifact, rows, test } from './slipway'

interface Action {
  section: string
  label: string
  keys: string[]
}

/** Two runs with curves, a log and a file in the trash's way. */
async function something(): Promise<{ experiment: string; runs: string[] }> {
  const experiment = await newExperiment('actions')
  const runs: string[] = []
  for (const [i, name] of ['one', 'two'].entries()) {
    const run = await newRun(experiment, name)
    await mlflow('runs/log-batch', {
      run_id: run,
      params: [
        { key: 'lr', value: String(i) },
        { key: 'same', value: 'x' },
      ],
      metrics: [0, 1, 2, 3, 4].map((step) => ({ key: 'loss', value: 5 - step + i, step, timestamp: step })),
    })
    await putArtifact(
      experiment,
      run,
      'logs/train.log',
      'fine\n'.repeat(300) + 'ERROR: broke\n' + 'x'.repeat(2000),
    )
    runs.push(run)
  }
  return { experiment, runs }
}

const query = (page: Page) => page.getByRole('combobox', { name: 'Search or run a command' })

/** What the sheet of keys lists. */
async function sheet(page: Page): Promise<Action[]> {
  await page.locator('body').press('?')
  const dialog = page.getByRole('dialog', { name: 'Keys' })
  await expect(dialog).toBeVisible()
  const found = await dialog.locator('section').evaluateAll((sections) =>
    sections.flatMap((section) =>
      [...section.querySelectorAll('dl > div')].map((row) => ({
        section: section.querySelector('h3')?.textContent ?? '',
        label: row.querySelector('dd')?.textContent ?? '',
        keys: [...row.querySelectorAll('kbd')].map((key) => key.textContent ?? ''),
      })),
    ),
  )
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  return found
}

/** What the palette lists without the runs, experiments and views. */
async function palette(page: Page): Promise<Action[]> {
  await page.keyboard.press('Control+k')
  await expect(query(page)).toBeFocused()
  const found = await page.locator('#palette-list').evaluate((list) => {
    const actions: { section: string; label: string; keys: string[] }[] = []
    let section = ''
    for (const element of list.children) {
      if (element.matches('.menu-label')) section = element.textContent ?? ''
      else if (!/^(Runs|Recent runs|Experiments|Views)$/.test(section) || element.querySelector('kbd'))
        actions.push({
          section,
          label: element.querySelector('span.ellipsis')?.textContent ?? '',
          keys: [...element.querySelectorAll('kbd')].map((key) => key.textContent ?? ''),
        })
    }
    return actions
  })
  await page.keyboard.press('Escape')
  await expect(query(page)).toBeHidden()
  return found
}

/** They move within something that has the focus already: nothing a palette could do. */
const MOVES =
  /^(Move between|Open or close rows; move|Extend the selection|On a column head: resize|On a chart: move|On a name: )/

const SCREENS = ({ experiment, runs }: { experiment: string; runs: string[] }): [string, string][] => [
  ['/home', '[role=main], main'],
  [`/runs?experiments=${experiment}`, '[data-metric=loss] canvas'],
  [`/run/${runs[0]}`, 'h1'],
  [`/run/${runs[0]}?tab=charts`, '[data-metric=loss] canvas'],
  [`/run/${runs[0]}?tab=logs`, '[data-testid=log-lines]'],
  [`/compare?runs=${runs.join(',')}`, '[role=grid]'],
  ['/trash', 'h1'],
  ['/settings', 'h1, h2'],
]

test('what has a key on a screen is in its palette under the same key, and the other way round', async ({
  page,
}) => {
  test.slow()
  for (const [place, ready] of SCREENS(await something())) {
    await open(page, place)
    await expect(page.locator(ready).first()).toBeVisible()
    const [listed, offered] = [await sheet(page), await palette(page)]
    expect(listed.length, place).toBeGreaterThan(10)
    const labels = listed.map(({ section, label }) => `${section}: ${label}`)
    expect(labels, place).toEqual([...new Set(labels)])
    for (const action of [...listed, ...offered]) expect(action.label.trim(), place).not.toBe('')
    const missing = listed
      .filter(({ label }) => !MOVES.test(label))
      .filter(({ label, keys }) => !offered.some((one) => one.label === label && one.keys[0] === keys[0]))
    expect(missing, `${place}: in the sheet, not in the palette`).toEqual([])
    const unlisted = offered
      .filter(({ keys }) => keys.length > 0)
      .filter(
        ({ label, keys }) => !listed.some((one) => one.label === label && one.keys.includes(keys[0] ?? '')),
      )
    expect(unlisted, `${place}: in the palette with a key, not in the sheet`).toEqual([])
    // Within what can have the focus, a key means one thing.
    for (const section of new Set(listed.map((action) => action.section))) {
      const keys = listed
        .filter((action) => action.section === section && !MOVES.test(action.label))
        .flatMap((action) => action.keys)
      expect(keys, `${place}: ${section}`).toEqual([...new Set(keys)])
    }
  }
})

test('the keys of a run stay while its log is open, and come back after it', async ({ page }) => {
  const { runs } = await something()
  await open(page, `/run/${runs[0]}?tab=logs`)
  await expect(page.getByTestId('log-lines')).toBeVisible()
  await page.locator('body').press('2')
  await expect(chart(page, 'loss')).toBeVisible()
  await page.locator('body').press('1')
  await expect(page.getByRole('tab', { name: 'Overview' })).toHaveAttribute('aria-selected', 'true')
})

/** Everything of a page that an action may change. */
function state(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const roots = [
      ...document.querySelectorAll('main, .toasts, [role=dialog], [role=status], header, nav, footer'),
    ]
    const values = [...document.querySelectorAll('input, select, textarea')].map((field) =>
      field instanceof HTMLInputElement && field.type !== 'text'
        ? field.checked
        : (field as HTMLSelectElement).value,
    )
    const focus = document.activeElement
    return JSON.stringify([
      location.hash,
      document.documentElement.dataset.theme,
      localStorage.getItem('slipway.prefs'),
      roots.map((root) => root.innerHTML.replace(/\d+ (s|min) ago|\b\d+ s\b/g, '')),
      values,
      focus?.tagName,
      focus?.getAttribute('aria-label'),
      focus?.className,
      await navigator.clipboard.readText().catch(() => ''),
    ])
  })
}

/** They need something done before, and have tests of their own. */
const NEEDS_A_PAST = ['Back', 'Forward', 'Undo', 'Redo']

/** There is all to show only after a zoom. */
const FIRST: Record<string, string> = { 'Chart: show all': 'Chart: zoom in' }
const CHANGES = /^(Archive|Move) the selected/

test('every action that the palette of the Runs screen offers does something', async ({ page, context }) => {
  test.setTimeout(150_000)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const { experiment } = await something()
  const place = `/runs?experiments=${experiment}&flat=1&cols=m:loss,p:lr,p:same&sort=a:name&theme=light`
  await open(page, place)
  await expect(chart(page, 'loss')).toContainText('loss, 2 runs')
  const actions = (await palette(page)).filter(({ label }) => !NEEDS_A_PAST.includes(label))
  expect(actions.length).toBeGreaterThan(40)
  const idle: string[] = []
  for (const { section, label } of actions) {
    await page.evaluate((to) => (location.hash = to), place)
    await expect(rows(page)).toHaveCount(2)
    await page.evaluate(() => navigator.clipboard.writeText('nothing yet'))
    const first = FIRST[label]
    if (first) {
      await page.keyboard.press('Control+k')
      await query(page).fill(first)
      await page.keyboard.press('Enter')
      await expect(page.getByRole('button', { name: 'Reset zoom' }).first()).toBeVisible()
    }
    await page.keyboard.press('Control+k')
    await query(page).fill(label)
    const option = page.getByRole('option', { name: label }).first()
    await expect(option).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(query(page)).toBeHidden()
    const before = await state(page)
    await page.keyboard.press('Control+k')
    await query(page).fill(label)
    await option.click()
    const changed = await expect
      .poll(() => state(page).then((after) => after !== before), { timeout: 4000 })
      .toBe(true)
      .then(
        () => true,
        () => false,
      )
    if (!changed) idle.push(`${section}: ${label}`)
    // What it opened is closed again.
    for (let i = 0; i < 3 && (await page.getByRole('dialog').count()) > 0; i += 1)
      await page.keyboard.press('Escape')
    // So are changes to what is stored.
    if (CHANGES.test(label)) await page.keyboard.press('Control+z')
  }
  expect(idle).toEqual([])
})

test('single letters do nothing once they are switched off, and the palette still does all', async ({
  page,
}) => {
  const { experiment, runs } = await something()
  await open(page, '/settings')
  await page.getByRole('switch', { name: /single/i }).click()
  await open(page, `/runs?experiments=${experiment}&flat=1`)
  await expect(chart(page, 'loss')).toContainText('loss, 2 runs')
  const cell = page.locator(`[data-run="${runs[0]}"] [data-col="3"]`)
  await cell.focus()
  const before = page.url()
  for (const key of ['b', 'p', 'h', 'o', 'x', 't', 'm', 'c', 's', 'v', '3', 'D', '.', '/', '?'])
    await page.keyboard.press(key)
  await chart(page, 'loss').focus()
  for (const key of ['l', 't', 'x', 'f', '[', ']']) await page.keyboard.press(key)
  expect(page.url()).toBe(before)
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(page.getByRole('toolbar', { name: 'Selected runs' })).toHaveCount(0)
  for (const [label, sign] of [
    ['Make the run the baseline', `base=${runs[0]}`],
    ['Chart: logarithmic', 'log=loss'],
  ] as const) {
    await page.keyboard.press('Control+k')
    await query(page).fill(label)
    await page.keyboard.press('Enter')
    await expect.poll(() => page.url()).toContain(sign)
  }
})
