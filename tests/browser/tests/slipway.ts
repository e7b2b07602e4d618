// What every test needs: the page with its token, and the server's own word on what the page should show.

import { expect, test as base, type Locator, type Page } from '@playwright/test'

export const url = required('SLIPWAY_URL').replace(/\/$/, '')
export const token = required('SLIPWAY_TOKEN')

function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: it names the server to test. script/test sets it.`)
  return value
}

/** Fails a test whose page threw something or broke the content policy. */
export const test = base.extend<{ faults: string[] }>({
  faults: [
    async ({ page }, use) => {
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(String(error)))
      page.on('console', (message) => {
        if (/content security policy/i.test(message.text())) faults.push(message.text())
      })
      await use(faults)
      expect(faults).toEqual([])
    },
    { auto: true },
  ],
})

/** The same, and fails as well when anything at all is logged as an error. */
export const silent = test.extend<{ said: string[] }>({
  said: [
    async ({ page }, use) => {
      const said: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') said.push(`${message.text()} (${message.location().url})`)
      })
      await use(said)
      expect(said).toEqual([])
    },
    { auto: true },
  ],
})

export async function open(page: Page, place: string): Promise<void> {
  // A fresh document each time: the fragment alone would not load one.
  await page.goto('about:blank')
  await page.goto(`${url}/#token=${token}&go=${encodeURIComponent(place)}`)
  // The first is the program's own; a log has one inside.
  await expect(page.locator('.window').first()).toBeVisible()
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(url + path, init)
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

/** MLflow's API, as a training script uses it: no token, no page. */
export function mlflow<T>(path: string, body: unknown): Promise<T> {
  return call<T>(`/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

interface Row {
  run_id: string
  name: string
  cells: (number | string | null)[]
}

/** Slipway's own API: what the table must show. */
export function table(request: object): Promise<{ rows: Row[]; total: number; matching: number }> {
  return call('/api/slipway/v1/runs/table', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ shape: { kind: 'flat' }, limit: 200, ...request }),
  })
}

export async function experimentId(name: string): Promise<string> {
  const { experiments } = await call<{ experiments: { name: string; experiment_id: string }[] }>(
    '/api/slipway/v1/experiments',
    { headers: { Authorization: `Bearer ${token}` } },
  )
  const found = experiments.find((experiment) => experiment.name === name)
  if (!found) throw new Error(`there is no experiment "${name}": run the worked example first`)
  return found.experiment_id
}

/** An experiment of a test's own, so that tests do not see each other's runs. */
export async function newExperiment(name: string): Promise<string> {
  const made = await mlflow<{ experiment_id: string }>('experiments/create', {
    name: `${name} ${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`,
  })
  return made.experiment_id
}

export async function newRun(experiment_id: string, run_name: string): Promise<string> {
  const { run } = await mlflow<{ run: { info: { run_id: string } } }>('runs/create', {
    experiment_id,
    run_name,
    start_time: Date.now(),
  })
  return run.info.run_id
}

export function logMetric(run_id: string, key: string, value: number, step: number): Promise<unknown> {
  return mlflow('runs/log-metric', { run_id, key, value, step, timestamp: Date.now() })
}

export async function putArtifact(
  experiment: string,
  run: string,
  path: string,
  content: string | Buffer,
): Promise<void> {
  const response = await fetch(
    `${url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${run}/artifacts/${path}`,
    {
      method: 'PUT',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: typeof content === 'string' ? content : new Uint8Array(content),
    },
  )
  if (!response.ok) throw new Error(`the upload answered ${response.status}: ${await response.text()}`)
}

export const rows = (page: Page): Locator => page.locator('[role=row][data-run]')

/** Names of the runs in the table, from top to bottom. */
export async function names(page: Page): Promise<string[]> {
  const found = await rows(page).evaluateAll((elements) =>
    elements
      .map((element) => ({
        at: Number(element.getAttribute('aria-rowindex')),
        name: element.querySelector('.name a')?.textContent?.trim() ?? '',
      }))
      .sort((a, b) => a.at - b.at)
      .map(({ name }) => name),
  )
  return found
}

export const chart = (page: Page, metric: string): Locator =>
  page.locator(`[data-metric="${metric}"]`).first()

export { expect }
