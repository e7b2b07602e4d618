// Slipway's own page: its data, and its rows in Chromium and in the desktop window.
// @ts-check

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { answers, end, memoryMb, processorMs, say, sleep, start, until, withChromium } from './processes.mjs'
import { workspaceRows } from './rows.mjs'

const here = dirname(fileURLToPath(import.meta.url))
export const probes = readFileSync(join(here, 'probes.js'), 'utf8')
/** More than the window's rows ever take. */
const WINDOW_LIMIT_MS = 15 * 60_000

/** @typedef {{ many: any, long: any }} Filled
 *  @typedef {{ folder: string, sizes: typeof import('./rows.mjs').SIZES.full, only: string[] | undefined, page?: string | undefined,
 *    programs: { slipway: string, bench: string, mlflow?: string, python?: string, window?: string } }} Bench */

/** Starts Slipway on the bench's folder, does something with it, and ends it.
 *  @template T
 *  @param {Bench} bench
 *  @param {(server: { address: string, token: string, pid: number }) => Promise<T>} use */
async function withSlipway({ folder, programs }, use) {
  const data = join(folder, 'data')
  const runtime = join(data, 'server.json')
  // What one that was killed left behind.
  rmSync(runtime, { force: true })
  const server = start(
    programs.slipway,
    ['serve', '--quiet', '--port', '0', '--data-dir', data],
    join(folder, 'server.log'),
  )
  const known = () => JSON.parse(readFileSync(runtime, 'utf8'))
  try {
    await until(async () => existsSync(runtime) && answers(`${known().address}/health`), 'Slipway')
    return await use({ ...known(), pid: server.pid ?? 0 })
  } finally {
    await end(server)
  }
}

/** Fills the bench's folder over HTTP, unless that was done; tells what is in it. @param {Bench} bench @returns {Promise<Filled>} */
export async function filled(bench) {
  const { folder, sizes, programs } = bench
  const record = join(folder, 'filled.json')
  if (!existsSync(record)) {
    await withSlipway(bench, async ({ address }) => {
      /** @param {string[]} args @param {string} what */
      const fill = (args, what) => {
        say(`Filling: ${what}`)
        const [kind = '', ...more] = args
        const done = spawnSync(programs.bench, [kind, '--address', new URL(address).host, ...more], {
          encoding: 'utf8',
          maxBuffer: 1 << 26,
        })
        if (done.status !== 0) throw new Error(`filling failed: ${done.stderr}`)
        return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '')
      }
      const { runs, columns, curves } = sizes
      const many = fill(
        ['fill-runs', '--runs', String(runs), '--columns', String(columns)],
        `${runs} runs, ${columns} columns`,
      )
      const long = fill(
        ['fill-curves', '--runs', '20', '--metrics', '24', '--points', String(curves)],
        `24 metrics of 20 runs, ${curves} points each`,
      )
      // Histories are packed in the background.
      await sleep(15_000)
      writeFileSync(record, JSON.stringify({ many, long }))
    })
  }
  return JSON.parse(readFileSync(record, 'utf8'))
}

/** Bytes of scripts that a first visit to an address loads before the first chart is there, gzipped.
 *  @param {import('@playwright/test').Browser} browser @param {string} address @param {string} chart
 *  @param {string | undefined} [folder] */
export async function scriptKilobytes(browser, address, chart, folder) {
  const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
  if (folder) await pageFrom(page, folder)
  /** @type {Promise<Buffer | null>[]} */
  const bodies = []
  let painted = false
  page.on('response', (response) => {
    if (!painted && /\.js(\?|$)/.test(response.url())) bodies.push(response.body().catch(() => null))
  })
  await page.goto(address)
  await page.waitForSelector(chart, { timeout: 60_000 })
  painted = true
  const found = await Promise.all(bodies)
  await page.close()
  return found.reduce((sum, body) => sum + (body ? gzipSync(body).length : 0), 0) / 1024
}

/** Takes the page from a folder instead of the program: a build of the page is measured without building the program.
 *  @param {import('@playwright/test').Page} page @param {string} folder */
async function pageFrom(page, folder) {
  await page.route(
    (url) => url.pathname === '/' || url.pathname.startsWith('/assets/'),
    (route) => {
      const { pathname } = new URL(route.request().url())
      return route.fulfill({ path: join(folder, pathname === '/' ? 'index.html' : pathname) })
    },
  )
}

/** Calls functions in a page. @param {import('@playwright/test').Page} page */
const inPage =
  (page) =>
  (/** @type {Function} */ step, /** @type {any[]} */ ...args) =>
    page.evaluate(`(${step})(...${JSON.stringify(args)})`)

/** Memory of a Chromium that has shown nothing but the charts. @param {Bench} bench @param {string} entry @param {Filled} known */
const chartsMemory = (bench, entry, known) =>
  withChromium(async (browser, pid) => {
    const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
    memoryMb(pid, 'memory of a blank page')
    if (bench.page) await pageFrom(page, bench.page)
    await page.addInitScript(probes)
    await page.goto(`${entry}&go=%2Fsettings`)
    await page.waitForSelector('.window')
    await workspaceRows(inPage(page), { ...known, sizes: bench.sizes, say, only: ['memory'] })
    return memoryMb(pid, 'memory')
  })

/** The rows in Chromium. @param {Bench} bench @param {Filled} known */
export function inChromium(bench, known) {
  const { sizes, only } = bench
  const wants = (/** @type {string} */ name) => !only || only.includes(name)
  return withSlipway(bench, async ({ address, token, pid }) => {
    const rows = await withChromium(async (browser, browserPid) => {
      const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
      page.on('pageerror', (error) => say(`the page failed: ${error}`))
      if (bench.page) await pageFrom(page, bench.page)
      await page.addInitScript(probes)
      await page.goto(`${address}/#token=${token}&go=%2Fsettings`)
      await page.waitForSelector('.window')
      const session = await page.context().newCDPSession(page)
      await session.send('Performance.enable')
      const cost = async () => {
        const { metrics } = await session.send('Performance.getMetrics')
        const busy = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN
        return { page: busy * 1000, server: processorMs(pid) }
      }
      const rows = await workspaceRows(inPage(page), {
        ...known,
        sizes,
        say,
        cost,
        ...(only ? { only } : {}),
      })
      if (wants('memoryAfter')) rows.memoryAfter = memoryMb(browserPid, 'memoryAfter')
      if (wants('scripts')) {
        const to = encodeURIComponent(`/runs?experiments=${known.long.experiment_id}`)
        rows.scripts = await scriptKilobytes(
          browser,
          `${address}/#token=${token}&go=${to}`,
          '[data-metric] canvas',
          bench.page,
        )
      }
      return rows
    })
    // Alone: two would share what they have loaded.
    if (wants('memory')) rows.memory = await chartsMemory(bench, `${address}/#token=${token}`, known)
    return rows
  })
}

/** The same rows in the desktop window: tests/desktop drives it, with the same probes. @param {Bench} bench @param {Filled} known */
export async function inWindow({ folder, sizes, only, programs }, known) {
  const out = join(folder, 'window.json')
  const script = join(folder, 'window-script.js')
  rmSync(out, { force: true })
  rmSync(join(folder, 'data', 'server.json'), { force: true })
  const source = readFileSync(join(here, 'rows.mjs'), 'utf8').replace(/^export /gm, '')
  writeFileSync(script, `${probes}\n${source}`)
  const data = join(folder, 'data')
  const wish = { data, known, sizes, only, out, script, limit_s: WINDOW_LIMIT_MS / 1000 }
  const child = spawn(programs.window ?? '', ['bench_window.py', '-q', '-s'], {
    // What pytest says of itself does not belong among results.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PYTHON: programs.python, SLIPWAY_BENCH: JSON.stringify(wish) },
  })
  const late = setTimeout(() => child.kill('SIGINT'), WINDOW_LIMIT_MS + 60_000)
  const status = await new Promise((done) => child.once('exit', done))
  clearTimeout(late)
  if (!existsSync(out)) throw new Error(`the window could not be measured (${status}); see above`)
  return JSON.parse(readFileSync(out, 'utf8'))
}
