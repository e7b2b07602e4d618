// axe-core on everything that opens: each menu, popover, dialog and sheet of the main screens, light and dark.

import type { Locator, Page } from '@playwright/test'
import { faultsOf } from './faults'
import { chart, expect, mlflow, newExperiment, newRun, open, putArtifact, rows, test } from './slipway'

const made = (() => {
  let promise: Promise<{ id: string; runs: string[] }> | undefined
  return () =>
    (promise ??= (async () => {
      const id = await newExperiment('axe')
      const runs: string[] = []
      for (const [i, name] of ['one', 'two', 'three'].entries()) {
        const run = await newRun(id, name)
        await mlflow('runs/log-batch', {
          run_id: run,
          params: [
            { key: 'opt.lr', value: String(i) },
            { key: 'opt.name', value: 'adam' },
            { key: 'text', value: `line one\nline two of ${i}\nline three` },
          ],
          metrics: [0, 1, 2].map((step) => ({ key: 'loss', value: 3 - step + i, step, timestamp: step })),
          tags: [{ key: 'team', value: 'vision' }],
        })
        await putArtifact(id, run, 'notes/report.md', '# Report\n\nSome **bold** text')
        runs.push(run)
      }
      return { id, runs }
    })())
})()

/** Opens something, looks at it with what it has inside, and closes it again. */
async function opened(page: Page, what: string, act: () => Promise<unknown>, sign: Locator): Promise<void> {
  await act()
  await expect(sign.first(), what).toBeVisible()
  expect(await faultsOf(page), what).toEqual([])
  for (let i = 0; i < 3 && (await sign.first().isVisible()); i += 1) await page.keyboard.press('Escape')
  await expect(sign.first(), `${what}, closed`).toBeHidden()
}

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    test('everything that opens over the runs', async ({ page }) => {
      test.slow()
      const { id, runs } = await made()
      await open(page, `/runs?experiments=${id}&flat=1&cols=m:loss,p:opt.lr&base=${runs[0]}&pins=${runs[1]}`)
      await expect(chart(page, 'loss')).toContainText('runs')
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme)
      const dialog = page.getByRole('dialog')
      const menu = page.getByRole('menu')
      const button = (name: string | RegExp) => page.getByRole('button', { name })
      await opened(
        page,
        'experiments',
        () => button(/^Experiments:/).click(),
        page.getByLabel('Find an experiment'),
      )
      await opened(page, 'views', () => button(/^View:/).click(), menu)
      await opened(page, 'saving a view', () => page.keyboard.press('Control+Shift+s'), dialog)
      await opened(
        page,
        'group',
        () => page.getByRole('button', { name: 'Group', exact: true }).click(),
        page.getByLabel('Find a field'),
      )
      await opened(
        page,
        'colour',
        () => page.getByRole('button', { name: 'Colour', exact: true }).click(),
        page.getByLabel('Find a field'),
      )
      await opened(
        page,
        'columns',
        () => page.getByRole('button', { name: 'Columns', exact: true }).click(),
        page.getByLabel('Find a column'),
      )
      await opened(page, 'what the table shows', () => button('What the table shows').click(), menu)
      await opened(page, 'export', () => page.keyboard.press('Control+e'), dialog)
      const head = page.getByRole('columnheader', { name: /^loss/ })
      await head.hover()
      await opened(page, 'the menu of a column', () => button('Menu of column loss').click(), menu)
      const row = rows(page).last()
      await opened(page, 'the menu of a row', () => row.click({ button: 'right' }), menu)
      await row.locator('[data-col="3"]').focus()
      const editor = page.getByRole('textbox', { name: 'Notes in Markdown' })
      await opened(page, 'notes', () => page.keyboard.press('m'), editor)
      await opened(
        page,
        'tags',
        () => page.keyboard.press('t'),
        page.getByRole('combobox', { name: 'New tag' }),
      )
      await row.locator('[data-col="3"]').focus()
      await page.keyboard.press('Space')
      await expect(page.getByRole('complementary', { name: 'Peek' })).toContainText('Params')
      expect(await faultsOf(page), 'peek').toEqual([])
      await page.keyboard.press('Space')
      await row.getByRole('checkbox').click()
      const bar = page.getByRole('toolbar', { name: 'Selected runs' })
      expect(await faultsOf(page), 'a selection').toEqual([])
      await opened(
        page,
        'tag many',
        () => bar.getByRole('button', { name: 'Tag' }).click(),
        page.getByLabel('Key of the tag'),
      )
      await opened(
        page,
        'move many',
        () => bar.getByRole('button', { name: 'Move' }).click(),
        page.getByLabel('Find an experiment'),
      )
      const filter = page.getByRole('combobox', { name: 'Filter runs' })
      await opened(
        page,
        'suggestions',
        () => filter.click(),
        page.getByRole('listbox', { name: 'Suggestions' }),
      )
      await page.getByRole('button', { name: 'Group', exact: true }).click()
      await page.getByRole('checkbox', { name: 'opt.name' }).check()
      await page.keyboard.press('Escape')
      await expect(page.locator('.body [role=row]').first()).toContainText('n=3')
      expect(await faultsOf(page), 'groups').toEqual([])
    })

    test('everything that opens over charts', async ({ page }) => {
      const { id } = await made()
      await open(page, `/runs?experiments=${id}&layout=3`)
      const frame = chart(page, 'loss')
      await expect(frame).toContainText('3 runs')
      const over = frame.locator('.u-over')
      await over.hover()
      expect(await faultsOf(page), 'a crosshair').toEqual([])
      await opened(
        page,
        'the menu of a chart',
        () => frame.getByRole('button', { name: /^Menu of chart/ }).click(),
        page.getByRole('menu'),
      )
      await opened(
        page,
        'the settings of a chart',
        () => frame.getByRole('button', { name: /^Settings of chart/ }).click(),
        page.getByRole('dialog', { name: /^Settings of chart/ }),
      )
      await opened(
        page,
        'adding a chart',
        () => page.getByRole('button', { name: 'Chart', exact: true }).click(),
        page.locator('.menu, .popover, [role=dialog]'),
      )
    })

    test('a comparison, its menu and a difference between texts', async ({ page }) => {
      const { runs } = await made()
      await open(page, `/compare?runs=${runs.join(',')}`)
      await expect(page.getByRole('rowheader', { name: 'opt.lr', exact: true })).toBeVisible()
      expect(await faultsOf(page)).toEqual([])
      await opened(
        page,
        'export',
        () => page.getByRole('button', { name: 'Export' }).click(),
        page.getByRole('menu'),
      )
      const row = page
        .getByRole('row')
        .filter({ has: page.getByRole('rowheader', { name: 'text', exact: true }) })
      await row.getByRole('gridcell').nth(1).focus()
      await opened(page, 'a difference', () => page.keyboard.press('Enter'), page.getByRole('dialog'))
      await open(page, '/compare')
      await expect(page.locator('main')).not.toBeEmpty()
      expect(await faultsOf(page), 'a comparison of nothing').toEqual([])
    })

    test('screens with nothing, places that are not there, and what goes over every screen', async ({
      page,
    }) => {
      const { id, runs } = await made()
      await open(page, `/runs?experiments=${id}&filter=${encodeURIComponent('metrics.loss > 100')}`)
      await expect(page.getByText('0 of 3 runs.')).toBeVisible()
      expect(await faultsOf(page), 'an empty table').toEqual([])
      await open(page, '/nowhere')
      await expect(page.getByRole('heading', { name: /Nothing is at/ })).toBeVisible()
      expect(await faultsOf(page), 'nowhere').toEqual([])
      await open(page, `/run/${runs[0]}?tab=config`)
      await expect(page.getByText('lr').first()).toBeVisible()
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox', { name: 'Search or run a command' }).fill('one')
      await expect(page.locator('#palette-list [role=option]').first()).toBeVisible()
      expect(await faultsOf(page), 'the palette with runs').toEqual([])
      await page.keyboard.press('Escape')
      // A message with a way back.
      await open(page, `/runs?experiments=${id}&flat=1&layout=1`)
      await rows(page).last().locator('[data-col="3"]').focus()
      await page.keyboard.press('Delete')
      const undo = page.getByRole('status').getByRole('button', { name: 'Undo' })
      await expect(undo).toBeVisible()
      expect(await faultsOf(page), 'a message').toEqual([])
      await undo.click()
      await expect(rows(page)).toHaveCount(3)
    })
  })
}
