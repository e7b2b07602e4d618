// The main flow by the keyboard alone: nothing in this file points or clicks, and wherever the focus goes, it is seen.

import type { Locator, Page } from '@playwright/test'
import {
  chart,
  expect,
  mlflow,
  names,
  newExperiment,
  newRun,
  open,
  putArtifact,
  silent as test,
  url,
} from './slipway'

/** Six runs of two optimizers, with a log and a table each. */
async function study(): Promise<{ id: string; runs: string[] }> {
  const id = await newExperiment('keyboard')
  const runs: string[] = []
  for (let i = 0; i < 6; i += 1) {
    const run = await newRun(id, `seed-${i}`)
    await mlflow('runs/log-batch', {
      run_id: run,
      params: [{ key: 'optimizer', value: i < 3 ? 'adamw' : 'sgd' }],
      metrics: [0, 1, 2, 3].map((step) => {
        return { key: 'val_loss', value: (4 - step) / (i + 1), step, timestamp: Date.now() + step }
      }),
    })
    runs.push(run)
  }
  await putArtifact(id, runs[5] ?? '', 'logs/train.log', 'started\nERROR: it broke\nended\n')
  await putArtifact(id, runs[5] ?? '', 'notes.txt', 'kept by hand')
  return { id, runs }
}

/** What has the focus, in words, and whether it can be seen that it has: a ring, or an edge of its field. */
async function focus(page: Page): Promise<{ what: string; seen: boolean; covered: boolean }> {
  return page.evaluate(() => {
    const element = document.activeElement
    if (!(element instanceof HTMLElement) || element === document.body)
      return { what: 'nothing', seen: false, covered: false }
    const what = `${element.tagName} ${element.getAttribute('role') ?? ''} ${
      element.getAttribute('aria-label') ?? element.textContent?.trim().slice(0, 40) ?? ''
    }`
    // The ring may be drawn by what is around a field.
    let seen = false
    for (let at: Element | null = element, up = 0; at && up < 3; at = at.parentElement, up += 1) {
      const style = getComputedStyle(at)
      const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1
      const within = up === 0 || at.matches(':focus-within')
      if (within && outlined && style.outlineColor !== 'rgba(0, 0, 0, 0)') seen = true
      if (up === 0 && /inset|rgb.*\d+px \d+px \d+px/.test(style.boxShadow)) seen = true
    }
    // A field whose caret blinks in a dialog of its own needs no ring.
    if (element.matches('.query')) seen = true
    const box = element.getBoundingClientRect()
    const x = Math.min(innerWidth - 1, Math.max(0, box.left + Math.min(box.width, 40) / 2))
    const y = Math.min(innerHeight - 1, Math.max(0, box.top + Math.min(box.height, 24) / 2))
    const top = document.elementFromPoint(x, y)
    const covered = !top || !(element.contains(top) || top.contains(element))
    return { what, seen, covered }
  })
}

async function expectFocusSeen(page: Page, where: string): Promise<void> {
  const { what, seen, covered } = await focus(page)
  expect({ what, seen, covered }, where).toEqual({ what, seen: true, covered: false })
}

/** Goes on with Tab until something has the focus, as people do; every stop on the way must be visible. */
async function tabUntil(page: Page, wanted: Locator, inside: boolean, most: number): Promise<void> {
  for (let i = 0; i < most; i += 1) {
    const there = await wanted.evaluateAll(
      (all, inside) =>
        all.some((one) => one === document.activeElement || (inside && one.contains(document.activeElement))),
      inside,
    )
    if (there) return
    await page.keyboard.press('Tab')
    // After the last stop comes the browser itself, then the first again.
    const outside = await page.evaluate(() => document.activeElement === document.body)
    if (!outside) await expectFocusSeen(page, `on the way to ${String(wanted)}`)
  }
  throw new Error(`Tab did not come to ${String(wanted)} in ${most} steps`)
}

const tabTo = (page: Page, role: string, name: RegExp | string, most = 40) =>
  tabUntil(
    page,
    page.getByRole(role as 'button', { name, ...(typeof name === 'string' ? { exact: true } : {}) }),
    false,
    most,
  )
const tabInto = (page: Page, place: Locator, most = 60) => tabUntil(page, place, true, most)

test('open runs, filter, sort, group, select, baseline, peek, open, tabs, compare, export, back', async ({
  page,
}) => {
  test.slow()
  const { id, runs } = await study()
  await open(page, '/home')
  await expect(page.locator('main h1').first()).toBeAttached()

  // Open Runs, then this experiment, by the palette.
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await expect(page).toHaveURL(/#\/runs/)
  await page.keyboard.press('Control+k')
  await expect(page.getByRole('combobox', { name: 'Search or run a command' })).toBeFocused()
  await expectFocusSeen(page, 'the palette')
  await page.keyboard.type(await experimentName(id))
  await expect(page.locator('#palette-list [aria-selected=true] .ellipsis').first()).toContainText('keyboard')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(new RegExp(`experiments=${id}`))
  await expect(chart(page, 'val_loss')).toContainText('6 runs')

  // Filter, with what is offered.
  await page.keyboard.press('/')
  await expect(page.getByRole('combobox', { name: 'Filter runs' })).toBeFocused()
  await expectFocusSeen(page, 'the filter')
  await page.keyboard.type('val_lo')
  await expect(page.getByRole('option', { name: /metrics\.val_loss/ }).first()).toBeVisible()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('combobox', { name: 'Filter runs' })).toHaveValue(/val_loss $/)
  await page.keyboard.type('< 0.4')
  await page.keyboard.press('Enter')
  await expect.poll(() => names(page)).toEqual(['seed-5', 'seed-4', 'seed-3', 'seed-2'])

  // To the table, and onto a head: sorted by it.
  await page.keyboard.press('Tab')
  await tabInto(page, page.getByRole('grid', { name: 'Runs' }))
  await page.keyboard.press('Control+Home')
  await page.keyboard.press('ArrowUp')
  const head = page.getByRole('columnheader', { name: /^val_loss/ })
  for (let i = 0; i < 12 && !(await head.evaluate((one) => one === document.activeElement)); i += 1) {
    await page.keyboard.press('ArrowRight')
    await expectFocusSeen(page, 'on the heads')
  }
  await expect(head).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(head).toHaveAttribute('aria-sort', 'ascending')
  await page.keyboard.press('Enter')
  await expect(head).toHaveAttribute('aria-sort', 'descending')
  await expect.poll(() => names(page)).toEqual(['seed-2', 'seed-3', 'seed-4', 'seed-5'])

  // Into the rows: down, across and back; a baseline; a peek that follows.
  await page.keyboard.press('ArrowDown')
  await expectFocusSeen(page, 'in the first row')
  await page.keyboard.press('b')
  await expect(page.getByRole('rowgroup', { name: 'Baseline and pinned runs' })).toContainText('seed-2')
  await expectFocusSeen(page, 'after the baseline')
  await page.keyboard.press('j')
  await page.keyboard.press('Space')
  const peek = page.getByRole('complementary', { name: 'Peek' })
  await expect(peek).toContainText('seed-3')
  await page.keyboard.press('ArrowDown')
  await expect(peek).toContainText('seed-4')
  await page.keyboard.press('Space')
  await expect(peek).toHaveCount(0)

  // Select one, and the next with Shift.
  await page.keyboard.press('x')
  await page.keyboard.press('Shift+ArrowDown')
  const toolbar = page.getByRole('toolbar', { name: 'Selected runs' })
  await expect(toolbar).toContainText('2 runs selected')
  await expectFocusSeen(page, 'after selecting')

  // Group by a param, through the toolbar, and back to no groups by undo.
  await page.keyboard.press('F6')
  await page.keyboard.press('Shift+F6')
  await tabTo(page, 'button', 'Group', 90)
  await page.keyboard.press('Enter')
  await page.keyboard.type('optim')
  await tabTo(page, 'checkbox', /optimizer/)
  await page.keyboard.press('Space')
  await page.keyboard.press('Escape')
  await expect(page.locator('.body [role=row]').filter({ hasText: 'adamw' })).toContainText('n=1')
  await expectFocusSeen(page, 'after grouping')
  await page.keyboard.press('Control+z')
  await expect.poll(async () => (await names(page)).length).toBeGreaterThanOrEqual(4)

  // Compare what is selected.
  await page.keyboard.press('Control+d')
  await expect(page.getByRole('grid', { name: 'Comparison' })).toBeVisible()
  await expect(page.getByRole('columnheader', { name: /seed-2/ })).toContainText('baseline')
  await tabInto(page, page.getByRole('grid', { name: 'Comparison' }))
  await page.keyboard.press('ArrowDown')
  await expectFocusSeen(page, 'in the comparison')
  // Export it.
  await page.keyboard.press('Control+k')
  await page.keyboard.type('save as csv')
  const [comparison] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')])
  expect(comparison.suggestedFilename()).toBe('comparison.csv')

  // Back to the table as it was.
  await page.keyboard.press('Alt+ArrowLeft')
  await expect.poll(() => names(page)).toEqual(['seed-2', 'seed-2', 'seed-3', 'seed-4', 'seed-5'])

  // Export the table through its dialog.
  await page.keyboard.press('Control+e')
  await expect(page.getByRole('dialog')).toBeVisible()
  await expectFocusSeen(page, 'in the export dialog')
  await tabTo(page, 'button', 'Save')
  const [csv] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')])
  expect(csv.suggestedFilename()).toBe('runs.csv')
  await expect(page.getByRole('dialog')).toHaveCount(0)

  // Open the last run, go through its tabs, and back.
  await tabInto(page, page.getByRole('grid', { name: 'Runs' }))
  await page.keyboard.press('Control+End')
  await expectFocusSeen(page, 'in the last row')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'seed-5' })).toBeVisible()
  await tabTo(page, 'tab', /^Overview/)
  for (const [tab, sign] of [
    [/^Charts/, page.locator('[data-metric=val_loss]').first()],
    [/^Config/, page.getByText('optimizer').first()],
    [/^Media/, page.getByText('No pictures').first()],
    [/^Artifacts/, page.getByRole('treeitem', { name: /notes\.txt/ })],
    [/^Logs/, page.getByTestId('log-lines')],
  ] as const) {
    await page.keyboard.press('ArrowRight')
    await expect(page.getByRole('tab', { name: tab })).toBeFocused()
    await expectFocusSeen(page, String(tab))
    await page.keyboard.press('Enter')
    await expect(sign).toBeVisible()
  }
  await page.keyboard.press('5')
  await tabInto(page, page.getByRole('tree'))
  await page.keyboard.press('End')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('region', { name: 'Content of notes.txt' })).toContainText('kept by hand')
  // The tabs that were looked at are places of the history; the table is still behind them.
  await expect(async () => {
    if (!page.url().includes('#/runs')) await page.keyboard.press('Alt+ArrowLeft')
    expect(page.url()).toContain('#/runs')
  }).toPass({ intervals: [300] })
  await expect.poll(() => names(page)).toEqual(['seed-2', 'seed-2', 'seed-3', 'seed-4', 'seed-5'])
  expect(runs).toHaveLength(6)
})

test('charts by the keyboard: crosshair, zoom, full screen, settings, table, and out again', async ({
  page,
}) => {
  const { id } = await study()
  await open(page, `/runs?experiments=${id}&layout=3`)
  await expect(chart(page, 'val_loss')).toContainText('6 runs')
  await tabTo(page, 'group', 'Chart val_loss', 60)
  await expectFocusSeen(page, 'the chart')
  await page.keyboard.press('ArrowRight')
  await expect(chart(page, 'val_loss').locator('[aria-live]')).toContainText('seed-0')
  await page.keyboard.press('+')
  await expect(page.getByRole('button', { name: 'Reset zoom' }).first()).toBeVisible()
  await page.keyboard.press('0')
  await expect(page.getByRole('button', { name: 'Reset zoom' })).toHaveCount(0)
  await page.keyboard.press('t')
  await expect(page.getByRole('region', { name: 'Values of val_loss' })).toBeVisible()
  await page.keyboard.press('t')
  await tabTo(page, 'button', /^Settings of chart val_loss/)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog', { name: /^Settings of chart/ })).toBeVisible()
  for (let i = 0; i < 6; i += 1) {
    await page.keyboard.press('Tab')
    await expectFocusSeen(page, 'in the settings')
  }
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expectFocusSeen(page, 'after the settings')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('f')
  await expect(page.locator('.full-chart .frame')).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(page.locator('.full-chart')).toHaveCount(0)
  await expectFocusSeen(page, 'after the full screen')
})

for (const place of ['/home', '/runs?layout=1', '/trash', '/settings', '/welcome']) {
  test(`every stop of Tab on ${place} can be seen, and none is a trap`, async ({ page }) => {
    await open(page, place)
    await expect(page.locator('main h1, main h2').first()).toBeAttached()
    const seen = new Set<string>()
    let left = false
    for (let i = 0; i < 80 && !left; i += 1) {
      await page.keyboard.press('Tab')
      left = await page.evaluate(() => document.activeElement === document.body)
      if (left) break
      await expectFocusSeen(page, place)
      seen.add((await focus(page)).what)
    }
    expect(seen.size).toBeGreaterThan(5)
    // The way back works as well.
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Shift+Tab')
    await expectFocusSeen(page, place)
  })
}

async function experimentName(id: string): Promise<string> {
  const response = await fetch(`${url}/api/2.0/mlflow/experiments/get?experiment_id=${id}`)
  const { experiment } = (await response.json()) as { experiment: { name: string } }
  return experiment.name
}
