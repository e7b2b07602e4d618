// MLflow's own page on the same runs, put straight into its database, and on shorter histories.
// @ts-check

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answers, end, freePort, memoryMb, say, start, until, withChromium } from './processes.mjs'
import { median } from './report.mjs'
import { probes, scriptKilobytes } from './slipway.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const filler = resolve(here, '../../../script/bench_fill_mlflow.py')
const ROWS = '.ag-center-cols-container [role=row]'
const PLOTS = '.js-plotly-plot'

/** @template T @param {import('./slipway.mjs').Bench} bench @param {(address: string) => Promise<T>} use */
async function withMlflow({ folder, programs }, use) {
  const home = join(folder, 'mlflow')
  mkdirSync(home, { recursive: true })
  const port = await freePort()
  const server = start(
    programs.mlflow ?? '',
    [
      ...['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
      ...['--backend-store-uri', `sqlite:///${join(home, 'mlflow.db')}`],
      ...['--artifacts-destination', join(home, 'artifacts')],
    ],
    join(folder, 'mlflow.log'),
    { MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', MLFLOW_DISABLE_TELEMETRY: 'true' },
  )
  try {
    const address = `http://127.0.0.1:${port}`
    await until(() => answers(`${address}/health`), 'MLflow')
    return await use(address)
  } finally {
    await end(server)
  }
}

/** Fills MLflow's database, unless that was done. @param {import('./slipway.mjs').Bench} bench
 *  @returns {Promise<{ many: string, long: string }>} */
async function filled(bench) {
  const { folder, sizes, programs } = bench
  const record = join(folder, 'filled-mlflow.json')
  if (!existsSync(record)) {
    rmSync(join(folder, 'mlflow'), { recursive: true, force: true })
    const experiments = await withMlflow(bench, async (address) => {
      /** @param {string} name */
      const experiment = async (name) => {
        const answer = await fetch(`${address}/api/2.0/mlflow/experiments/create`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ name }),
        })
        return String((await answer.json()).experiment_id)
      }
      return { many: await experiment('many'), long: await experiment('curves') }
    })
    say('Filling MLflow’s database')
    const database = join(folder, 'mlflow', 'mlflow.db')
    const { runs, columns, mlflowCurves } = sizes
    for (const command of [
      `fill-runs --print ${experiments.many} --runs ${runs} --columns ${columns}`,
      `fill-curves --print ${experiments.long} --runs 20 --metrics 24 --points ${mlflowCurves}`,
    ]) {
      const line = `set -o pipefail; '${programs.bench}' ${command} | '${programs.python}' '${filler}' '${database}'`
      const done = spawnSync('bash', ['-c', line], { stdio: ['ignore', 'ignore', 'inherit'] })
      if (done.status !== 0) throw new Error(`filling MLflow failed: ${command}`)
    }
    writeFileSync(record, JSON.stringify(experiments))
  }
  return JSON.parse(readFileSync(record, 'utf8'))
}

/** @param {import('./slipway.mjs').Bench} bench */
export async function besides(bench) {
  const { sizes, only } = bench
  const { many, long } = await filled(bench)
  const wants = (/** @type {string} */ name) => !only || only.includes(name)
  return withMlflow(bench, (address) =>
    withChromium(async (browser, browserPid) => {
      const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
      await page.addInitScript(probes)
      await page.addInitScript(
        ([rows, plots]) =>
          addEventListener('DOMContentLoaded', () => Object.assign(window.slipwayBench, { rows, plots })),
        [ROWS, PLOTS],
      )
      await page.goto(`${address}/#/settings`)
      await page.waitForTimeout(5000)
      /** @param {string} hash @param {object} wish */
      const go = (hash, wish) =>
        page.evaluate(
          ([to, wanted]) => slipwayBench.measure(() => slipwayBench.go(to), wanted),
          /** @type {[string, object]} */ ([hash, wish]),
        )
      /** @type {Record<string, any>} */
      const rows = { failed: {} }
      /** @param {string} name @param {() => Promise<number | null>} once */
      const row = async (name, once) => {
        if (!wants(name)) return
        /** @type {number[]} */
        const took = []
        const began = Date.now()
        try {
          while (took.length < 3 && (took.length === 0 || Date.now() - began < 45_000)) {
            took.push((await once()) ?? NaN)
          }
          rows[name] = median(took)
          say(`MLflow, ${name}: ${took.map(Math.round).join(' ')}`)
        } catch (error) {
          rows.failed[name] = String(error).split('\n')[0]
          say(`MLflow, ${name}: ${error}`)
        }
      }
      /** @param {string} name @param {string} hash @param {object} wish @param {(m: Measured) => number | null} pick */
      const opened = (name, hash, wish, pick) =>
        row(name, async () => {
          await go('#/settings', {})
          return pick(await go(hash, wish))
        })
      const shown = 'startTime=ALL&lifecycleFilter=Active'
      /** @param {string} filter @param {string} key @param {boolean} ascending */
      const table = (filter, key = 'attributes.start_time', ascending = false) =>
        `#/experiments/${many}/runs?orderByKey=${encodeURIComponent(key)}&orderByAsc=${ascending}&${shown}` +
        `&searchFilter=${encodeURIComponent(filter)}`
      const charts = `#/experiments/${long}/runs?compareRunsMode=CHART&${shown}&searchFilter=`
      await opened('open', table(''), { rows: true }, (m) => m.firstRows)
      await opened('filter', table(sizes.mlflowFilter), { rows: true }, (m) => m.firstRows)
      await opened('sort', table('', sizes.mlflowSort, true), { rows: true }, (m) => m.firstRows)
      if (wants('scrollDown')) await go(table(''), { rows: true }).catch(() => null)
      await row('scrollDown', async () => {
        const frames = await page.evaluate(() => slipwayBench.scroll(12, 0, 200))
        await page.evaluate(() => slipwayBench.scroll(-100_000, 0, 1))
        return frames.filter((ms) => ms > 33.4).length
      })
      await opened('openCharts', charts, { charts: 1 }, (m) => m.firstChart)
      await opened('paint', charts, { charts: 4 }, (m) => m.charts)
      if (wants('memoryAfter')) rows.memoryAfter = memoryMb(browserPid, 'memoryAfter')
      if (wants('scripts')) {
        rows.scripts = await scriptKilobytes(browser, `${address}/${charts}`, `${PLOTS} path.js-line`).catch(
          () => null,
        )
      }
      return rows
    }),
  )
}
