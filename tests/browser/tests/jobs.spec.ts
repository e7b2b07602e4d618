// Jobs in the window: real commands, started from the form, followed, ended, cloned.

import AxeBuilder from '@axe-core/playwright'
import { readFileSync } from 'node:fs'
import type { Page } from '@playwright/test'
import { expect, open, test, token, url } from './slipway'

interface Job {
  job_id: string
}

async function own<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  const response = await fetch(`${url}/api/slipway/v1${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}
const submit = (name: string, shell: string, more: object = {}) =>
  own<Job>('/jobs', 'POST', { spec: { name, command: { shell }, ...more } })
const ended = (id: string) => own<Job>(`/jobs/${id}?ended=true&wait_ms=20000`)
const unique = (name: string) => `${name} ${Date.now().toString(36)}${Math.random().toString(36).slice(2, 5)}`

/** Nothing is started while this goes on. */
async function paused(work: () => Promise<void>): Promise<void> {
  const { settings } = await own<{ settings: object }>('/queue')
  await own('/queue', 'PUT', { ...settings, paused: true })
  try {
    await work()
  } finally {
    await own('/queue', 'PUT', { ...settings, paused: false })
  }
}

const jobNames = async (page: Page) => page.getByRole('row').locator('.name').allInnerTexts()

test('stdout and stderr are told apart, looked at and searched alone, and saved whole', async ({ page }) => {
  const lines = 'for i in 1 2 3; do echo out $i; sleep 0.05; echo "err $i" >&2; sleep 0.05; done'
  const { job_id } = await submit(unique('streams'), lines)
  await ended(job_id)
  await open(page, `/jobs/${job_id}`)
  const log = page.getByTestId('log-lines')
  await expect(log.locator('.line')).toHaveCount(6)
  await expect(log.locator('.line.stderr .text')).toHaveText([/err 1/, /err 2/, /err 3/])
  await page.getByLabel('Lines of').selectOption('stderr')
  await expect(log.locator('.line .text')).toHaveText([/err 1/, /err 2/, /err 3/])
  // They keep their numbers in the whole log.
  await expect(log.locator('.line .number')).toHaveText(['2', '4', '6'])
  await page.getByRole('searchbox', { name: 'Search the log' }).fill('3')
  await page.getByRole('searchbox', { name: 'Search the log' }).press('Enter')
  await expect(page.getByText('1 of 1')).toBeVisible()
  await expect(log.locator('.line.target')).toContainText('err 3')
  await page.getByLabel('Lines of').selectOption('agent')
  await expect(page.getByText('Nothing came from Slipway.')).toBeVisible()
  const saved = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download the log' }).click()
  const download = await saved
  expect(download.suggestedFilename()).toMatch(/^streams .*\.log$/)
  const text = readFileSync(await download.path(), 'utf8')
  expect(text.split('\n').sort()).toEqual(['', 'err 1', 'err 2', 'err 3', 'out 1', 'out 2', 'out 3'])
})

test('jobs are sorted, waiting ones moved by priority, and many are ended at once', async ({ page }) => {
  const tag = unique('queued')
  await paused(async () => {
    const ids: string[] = []
    for (const letter of ['b', 'c', 'a']) ids.push((await submit(`${tag} ${letter}`, 'sleep 60')).job_id)
    await open(page, `/jobs?text=${encodeURIComponent(tag)}`)
    await expect.poll(() => jobNames(page)).toEqual([`${tag} a`, `${tag} c`, `${tag} b`])
    await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click()
    await expect.poll(() => jobNames(page)).toEqual([`${tag} a`, `${tag} b`, `${tag} c`])
    await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click()
    await expect.poll(() => jobNames(page)).toEqual([`${tag} c`, `${tag} b`, `${tag} a`])
    await open(page, `/jobs/${ids[2] ?? ''}`)
    await page.getByLabel('Priority').fill('7')
    await page.getByLabel('Priority').press('Enter')
    await expect(page.locator('.facts div', { hasText: 'Place in the queue' }).locator('dd')).toHaveText('1')
    await open(page, `/jobs?text=${encodeURIComponent(tag)}&sort=queue`)
    await expect.poll(() => jobNames(page)).toEqual([`${tag} a`, `${tag} b`, `${tag} c`])
    await expect(
      page
        .getByRole('row')
        .filter({ hasText: `${tag} a` })
        .getByTitle('Place in the queue'),
    ).toHaveText('1')
    for (const letter of ['a', 'b', 'c'])
      await page.getByRole('checkbox', { name: `Select ${tag} ${letter}` }).check()
    await page.getByRole('button', { name: 'End 3' }).click()
    await expect(page.getByRole('row').filter({ hasText: 'canceled' })).toHaveCount(3)
  })
})

test('a job is run again with edits', async ({ page }) => {
  const name = unique('edited')
  const { job_id } = await submit(name, 'echo first; exit 4', { environment: { variables: { WORD: 'one' } } })
  await ended(job_id)
  await open(page, `/jobs/${job_id}`)
  await page.getByRole('link', { name: 'Clone with edits…' }).click()
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue(name)
  await page.getByLabel('Command').fill('echo second $WORD')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByTestId('log-lines')).toContainText('second one')
  await expect(page.locator('header .state').first()).toHaveText('succeeded')
  await page.getByRole('link', { name: job_id.slice(0, 8) }).click()
  await expect(page.locator('header .state').first()).toHaveText('failed')
  await page.getByRole('button', { name: 'Run again', exact: true }).click()
  await expect(page.getByRole('link', { name: job_id.slice(0, 8) })).toBeVisible()
})

test('many jobs are told of once, when the queue is empty; the machine says what it does', async ({
  page,
}) => {
  await open(page, '/home')
  const tag = unique('digest')
  const ids = await Promise.all(
    Array.from({ length: 5 }, (_, i) => submit(`${tag} ${i}`, i === 0 ? 'exit 1' : 'true')),
  )
  await Promise.all(ids.map(({ job_id }) => ended(job_id)))
  await expect(page.getByText(/^The queue is empty: 5 jobs ended/)).toHaveCount(1, { timeout: 15_000 })
  // In the order in which they ended.
  await expect(page.getByText(/^The queue is empty/)).toContainText('4 succeeded')
  await expect(page.getByText(/^The queue is empty/)).toContainText('1 failed')
  await expect(page.getByText(`${tag} 1 succeeded`)).toHaveCount(0)
  await open(page, '/jobs')
  const machine = page.getByRole('complementary', { name: 'Queue and machine' })
  for (const gauge of ['Processors in use', 'Memory in use', 'Disk in use'])
    await expect(machine.getByRole('meter', { name: gauge })).toBeVisible()
  await expect(machine).toContainText(/\d+ % of \d+ CPU/)
})

test('colours, bombs and bytes that are no text stay lines of a log', async ({ page }) => {
  const python = [
    'import sys; w = sys.stdout.buffer.write',
    "w(b'\\x1b[31mred\\x1b[0m plain\\n')",
    "w(b'bad \\xff\\xfe bytes\\n')",
    "w(b'\\x1b[31m' * 20000 + b'bomb\\n')",
    "w(b'\\x1b]0;title\\x07\\x1b[2J\\x1b[999;999Hmoved <b>bold</b>\\n')",
    "w(b'10%\\r50%\\r100%\\n')",
  ].join('; ')
  const { job_id } = await submit(unique('bytes'), `python3 -c "${python}"`)
  await ended(job_id)
  await open(page, `/jobs/${job_id}`)
  const log = page.getByTestId('log-lines')
  await expect(log.locator('.ansi-red-fg').first()).toHaveText('red')
  await expect(log).toContainText('bad \ufffd\ufffd bytes')
  await expect(log).toContainText('bomb')
  await expect(log).toContainText('<b>bold</b>')
  await expect(log.locator('.line').last()).toContainText('100%')
  await expect(log.locator('.line')).toHaveCount(5)
})

test('a command is filled in, looked at, run and followed to its end', async ({ page }) => {
  await open(page, '/jobs/new')
  const run = page.getByRole('button', { name: 'Run', exact: true })
  await expect(run).toBeDisabled()
  await page.getByLabel('Command').fill(`sh -c 'echo hello from a job; exit 3'`)
  await page.getByLabel('Memory').fill('much')
  await expect(page.getByText('A size, e.g. 4 GB.')).toBeVisible()
  await expect(run).toBeDisabled()
  await page.getByLabel('Memory').fill('')
  const preview = page.getByRole('region', { name: 'What will run' })
  await expect(preview.locator('code.word')).toHaveText(['sh', '-c', 'echo hello from a job; exit 3'])
  await run.click()
  await expect(page.getByTestId('log-lines')).toContainText('hello from a job')
  await expect(page.locator('header .state').first()).toHaveText('failed')
  await expect(
    page.getByRole('complementary', { name: 'What is run' }).getByText('exit 3', { exact: true }),
  ).toBeVisible()
  await page.getByRole('link', { name: 'Clone with edits…' }).click()
  await expect(page.getByLabel('Command')).toHaveValue(/hello from a job/)
})

test('a job is ended, and the list says so by itself', async ({ page }) => {
  const name = `sleeper ${Date.now().toString(36)}`
  await open(page, '/jobs/new')
  await page.getByLabel('Command').fill('sleep 60')
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.locator('header .state').first()).toHaveText('running')
  await page.getByRole('button', { name: 'End' }).click()
  await expect(page.locator('header .state').first()).toHaveText('canceled', { timeout: 15_000 })
  await open(page, '/jobs?state=canceled')
  await expect(page.getByRole('row').filter({ hasText: name })).toContainText('canceled')
})

test('the queue is paused and goes on; nothing is against the rules of access', async ({ page }) => {
  await open(page, '/jobs')
  const queue = page.getByRole('complementary', { name: 'Queue and machine' })
  await queue.getByRole('button', { name: 'Pause' }).click()
  await expect(queue.getByText('Paused: nothing is started.')).toBeVisible()
  await queue.getByRole('button', { name: 'Resume' }).click()
  await expect(queue.getByText('Jobs are started.')).toBeVisible()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const place of ['/jobs', '/jobs/new']) {
      await open(page, place)
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([])
    }
  }
})
