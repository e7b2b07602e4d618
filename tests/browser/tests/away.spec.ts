// A server that goes away and comes back: what is on screen stays, it is said what happened, and nothing is lost.

import type { Page } from '@playwright/test'
import { chart, expect, rows, test } from './slipway'
import { Server } from './server'

let server: Server
let run: string
let experiment: string

test.beforeEach(async () => {
  server = await Server.start()
  experiment = (await server.mlflow<{ experiment_id: string }>('experiments/create', { name: 'away' }))
    .experiment_id
  const made = await server.mlflow<{ run: { info: { run_id: string } } }>('runs/create', {
    experiment_id: experiment,
    run_name: 'steady',
    start_time: Date.now(),
  })
  run = made.run.info.run_id
  await point(3, 0)
  await point(2, 1)
})
test.afterEach(() => server.remove())

const point = (value: number, step: number) =>
  server.mlflow('runs/log-metric', { run_id: run, key: 'loss', value, step, timestamp: Date.now() })

async function openHere(page: Page, place: string): Promise<void> {
  await page.goto(`${server.url}/#token=${server.token}&go=${encodeURIComponent(place)}`)
  await expect(page.locator('.window').first()).toBeVisible()
}

const status = (page: Page) => page.locator('footer.status')

test('a connection that is lost is said, the page stays usable, and catches up by itself', async ({
  page,
}) => {
  await openHere(page, `/runs?experiments=${experiment}&cols=m:loss:last`)
  await expect(rows(page)).toHaveCount(1)
  await expect(chart(page, 'loss')).toContainText('lowest steady 2 at 1')
  await expect(status(page)).toContainText('live')

  // Nothing answers: as when a laptop is carried to another network.
  await page.context().setOffline(true)
  await point(0.5, 2)
  await page.getByRole('combobox', { name: 'Filter runs' }).fill('steady')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('alert').first()).toBeVisible()
  // What was read before is still there to be read. (A stream that is open outlives the switch, so the new point may
  // have come through.)
  await expect(rows(page)).toHaveCount(1)
  await expect(chart(page, 'loss')).toContainText(/lowest steady (2 at 1|0\.5 at 2)/)

  await page.context().setOffline(false)
  await expect(page.getByRole('alert')).toHaveCount(0)
  await expect(chart(page, 'loss')).toContainText('lowest steady 0.5 at 2')
  await expect(status(page)).toContainText('live')
})

test('a server that was killed and started anew asks for its new link, and shows everything again', async ({
  page,
}) => {
  await openHere(page, `/runs?experiments=${experiment}`)
  await expect(chart(page, 'loss')).toContainText('lowest steady 2 at 1')
  await server.end('SIGKILL')
  await expect(status(page)).toContainText('connection lost, trying again')
  await expect(page.getByRole('button', { name: 'Now' })).toBeVisible()
  // What was shown can still be looked at.
  await expect(rows(page)).toHaveCount(1)
  await page.locator('[role=row][data-run] .name a').first().click()
  await expect(page.getByRole('alert').first()).toContainText(/reach|answer|connect/i)
  await page.goBack()

  await server.begin()
  // The secret is made anew at every start.
  await expect(page.getByRole('heading', { name: 'This link has expired' })).toBeVisible({ timeout: 20_000 })
  await page.getByRole('textbox').fill(`${server.url}/#token=${server.token}`)
  await page.getByRole('button', { name: 'Open' }).click()
  await expect(chart(page, 'loss')).toContainText('lowest steady 2 at 1')
  await expect(status(page)).toContainText('live')
  await point(0.25, 2)
  await expect(chart(page, 'loss')).toContainText('lowest steady 0.25 at 2')
})

test('a failure of the server is said in place, with a way to try again', async ({ page }) => {
  await page.route('**/api/slipway/v1/**', (route) =>
    /series|table|groups/.test(route.request().url())
      ? route.fulfill({
          status: 500,
          json: { code: 'internal', message: 'the disk is full', hint: 'free some space' },
        })
      : route.continue(),
  )
  await openHere(page, `/runs?experiments=${experiment}`)
  await expect(page.getByText('the disk is full').first()).toBeVisible()
  await expect(page.getByText('free some space').first()).toBeVisible()
  await page.unroute('**/api/slipway/v1/**')
  await page.getByRole('button', { name: /again/i }).first().click()
  await expect(rows(page)).toHaveCount(1)
  await expect(chart(page, 'loss')).toContainText('lowest steady 2 at 1')
})
