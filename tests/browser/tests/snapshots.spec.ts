// Pictures of the main screens, light and dark, held against those in snapshots/. They see what assertions do not: a
// colour that is not a token's, a row of another height, two things one upon the other.
//
// The data, the ids, the clock, the fonts and the size are the same everywhere; what is left to differ between machines is
// covered by the tolerance below. After a wanted change: `npm run snapshots`, and look at what changed before committing.

import { createHash } from 'node:crypto'
import type { Locator, Page } from '@playwright/test'
import { expect, test } from './slipway'
import { Server } from './server'

const STARTED = Date.UTC(2026, 0, 5, 9, 0, 0)
const HOUR = 3_600_000
/** When the pictures are taken. */
const NOW = STARTED + 30 * HOUR

test.use({
  viewport: { width: 1120, height: 700 },
  locale: 'en-GB',
  timezoneId: 'UTC',
  reducedMotion: 'reduce',
  launchOptions: {
    executablePath: process.env.SLIPWAY_CHROMIUM ?? '/usr/bin/chromium',
    // Letters are drawn the same way whatever the machine's settings for them.
    args: [
      '--no-sandbox',
      '--font-render-hinting=none',
      '--disable-lcd-text',
      '--disable-font-subpixel-positioning',
      '--force-color-profile=srgb',
      '--disable-gpu',
    ],
  },
})

let server: Server
let experiment: string
/** Ids are drawn by lot, and give runs their colours: the page is shown others, always the same. */
const shownIds = new Map<string, string>()
const shown: string[] = []

test.beforeAll(async () => {
  server = await Server.start()
  const made = await server.mlflow<{ experiment_id: string }>('experiments/create', {
    name: 'harbour-cranes',
  })
  experiment = made.experiment_id
  for (let i = 0; i < 6; i += 1) {
    const start_time = STARTED + i * HOUR
    const { run } = await server.mlflow<{ run: { info: { run_id: string } } }>('runs/create', {
      experiment_id: experiment,
      run_name: `crane-${i + 1}`,
      start_time,
      user_id: 'ada',
      tags: [
        { key: 'mlflow.user', value: 'ada' },
        { key: 'team', value: i % 2 ? 'vision' : 'text' },
        { key: 'mlflow.source.name', value: 'train.py' },
      ],
    })
    const run_id = run.info.run_id
    const metrics = Array.from({ length: 60 }, (_, step) => step).flatMap((step) =>
      [
        ['loss/train', Math.exp(-step / (12 + i * 3)) + 0.02 * Math.sin(step * (i + 1))],
        ['loss/val', Math.exp(-step / (14 + i * 3)) + 0.06 + 0.015 * Math.cos(step * (i + 2))],
        ['accuracy', 1 - 0.6 * Math.exp(-step / (10 + i * 2))],
      ].map(([key, value]) => ({ key, value, step, timestamp: start_time + step * 30_000 })),
    )
    await server.mlflow('runs/log-batch', {
      run_id,
      metrics,
      params: [
        { key: 'lr', value: ['0.1', '0.01', '0.001', '0.0001'][i % 4] },
        { key: 'optimizer', value: i % 3 ? 'adamw' : 'sgd' },
        { key: 'model.layers', value: String(2 + i) },
      ],
    })
    const files: [string, string][] = [
      ['report.md', '# Crane report\n\nThe loss **falls**, and then it does not.\n\n- first\n- second\n'],
      ['tables/scores.csv', 'name,score\nfirst,0.25\nsecond,0.5\nthird,0.75\n'],
      [
        'logs/train.log',
        Array.from({ length: 40 }, (_, n) => `step ${n} loss ${(1 / (n + 1)).toFixed(4)}\n`).join(''),
      ],
    ]
    for (const [path, body] of files)
      await fetch(
        `${server.url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${run_id}/artifacts/${path}`,
        {
          method: 'PUT',
          body,
        },
      )
    const status = i === 4 ? 'FAILED' : 'FINISHED'
    await server.mlflow('runs/update', { run_id, status, end_time: start_time + 31 * 60_000 + i * 1000 })
    const id = createHash('md5').update(`crane ${i}`).digest('hex')
    shownIds.set(run_id, id)
    shown.push(id)
  }
  const last = [...shownIds.keys()].at(-1)
  await server.mlflow('runs/delete', { run_id: last })
})
test.afterAll(() => server?.remove())

/** Ids have the same length, so that also what is not text can be read with others in it. */
function exchanged(bytes: Buffer, back: boolean): Buffer {
  let text = bytes.toString('latin1')
  for (const [real, other] of shownIds)
    text = back ? text.replaceAll(other, real) : text.replaceAll(real, other)
  return Buffer.from(text, 'latin1')
}

async function show(page: Page, place: string, ready: Locator): Promise<void> {
  await page.clock.setFixedTime(NOW)
  await page.route(/\/(api|files)\//, async (route) => {
    const request = route.request()
    if (request.url().includes('/events')) return route.continue()
    const body = request.postDataBuffer()
    const response = await route.fetch({
      url: exchanged(Buffer.from(request.url()), true).toString(),
      postData: body ? exchanged(body, true) : undefined,
    })
    await route.fulfill({ response, body: exchanged(await response.body(), false) })
  })
  await page.goto(`${server.url}/#token=${server.token}&go=${encodeURIComponent(place)}`)
  await expect(ready.first()).toBeVisible()
  await page.evaluate(() => document.fonts.ready)
}

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    const taken = async (page: Page, name: string, mask: Locator[] = [], what = page.locator('main')) => {
      await page.mouse.move(0, 0)
      await expect(what).toHaveScreenshot(`${name}-${theme}.png`, {
        mask,
        animations: 'disabled',
        caret: 'hide',
        // Of a shade, and of a few letters' edges: a lost button or another colour is more than that.
        threshold: 0.2,
        maxDiffPixels: 600,
      })
    }
    const drawn = (page: Page, metric: string) => page.locator(`[data-metric="${metric}"] canvas`)

    test('home', async ({ page }) => {
      await show(page, '/home', page.getByRole('heading', { name: 'Recent runs' }))
      await expect(page.getByText('crane-5').first()).toBeVisible()
      // Folder, port and machine are its own.
      const own = page.getByRole('heading', { name: 'Environment' }).locator('xpath=following-sibling::*')
      await taken(page, 'home', [own])
    })

    test('runs', async ({ page }) => {
      await show(
        page,
        `/runs?experiments=${experiment}&cols=a:state,m:loss/val:min,p:lr&base=${shown[1]}&delta=1`,
        drawn(page, 'loss/val'),
      )
      await expect(page.locator('[data-metric="loss/val"]').first()).toContainText('5 runs')
      await taken(page, 'runs')
    })

    test('groups', async ({ page }) => {
      await show(
        page,
        `/runs?experiments=${experiment}&layout=1&group=p:optimizer&cols=m:accuracy,m:loss/val:min`,
        page.locator('.body [role=row]'),
      )
      await expect(page.locator('.body [role=row]')).toHaveCount(2)
      await taken(page, 'groups')
    })

    for (const [tab, ready] of [
      ['overview', 'th:has-text("accuracy")'],
      ['charts', '[data-metric="accuracy"] canvas'],
      ['artifacts&file=report.md', '.markdown strong'],
      ['logs', '[data-testid=log-lines] .line'],
    ] as const) {
      const name = tab.split('&')[0] ?? tab
      test(`a run, ${name}`, async ({ page }) => {
        await show(page, `/run/${shown[1]}?tab=${tab}`, page.locator(ready))
        await taken(page, `run-${name}`)
      })
    }

    test('compare', async ({ page }) => {
      await show(
        page,
        `/compare?runs=${shown.slice(0, 4).join(',')}`,
        page.getByRole('rowheader', { name: 'lr' }),
      )
      await taken(page, 'compare')
    })

    test('trash', async ({ page }) => {
      await show(page, '/trash', page.getByText('crane-6'))
      await taken(page, 'trash', [page.locator('td:has(time)')])
    })

    test('settings', async ({ page }) => {
      await show(page, '/settings', page.getByRole('heading', { name: 'Looks' }))
      await taken(page, 'settings', [page.locator('code, .mono, dd')])
    })

    test('palette', async ({ page }) => {
      await show(page, '/home', page.getByRole('heading', { name: 'Recent runs' }))
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox', { name: 'Search or run a command' }).fill('theme')
      await expect(page.getByRole('option', { name: 'Theme: dark' })).toBeVisible()
      await taken(page, 'palette', [], page.getByRole('dialog'))
    })
  })
}
