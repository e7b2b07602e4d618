// Measures the Runs workspace in Chromium, in the desktop window and beside MLflow's own page, and prints a table.
// `script/bench ui` runs it with the right programs. It starts and ends what it measures by the ids of its processes.
// @ts-check

import { chromium } from '@playwright/test'
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { markdown, median } from './report.mjs'
import { SIZES, windowRows, workspaceRows } from './rows.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({
  options: {
    slipway: { type: 'string' },
    bench: { type: 'string' },
    mlflow: { type: 'string' },
    python: { type: 'string' },
    work: { type: 'string' },
    quick: { type: 'boolean', default: false },
    window: { type: 'string' },
    data: { type: 'string' },
    write: { type: 'string' },
    keep: { type: 'boolean', default: false },
    rows: { type: 'string' },
  },
})
/** @param {string} name @param {string | undefined} value */
function need(name, value) {
  if (!value) throw new Error(`--${name} is missing: script/bench ui gives it`)
  return resolve(value)
}
const programs = {
  slipway: need('slipway', options.slipway),
  bench: need('bench', options.bench),
}
const sizes = options.quick ? SIZES.quick : SIZES.full
const work = need('work', options.work)
mkdirSync(work, { recursive: true })
// What was filled is kept for the next run, if that is wished.
const kept = options.data
  ? resolve(options.data)
  : options.keep
    ? join(work, options.quick ? 'ui-quick' : 'ui-full')
    : null
const folder = kept ?? mkdtempSync(join(work, 'ui-'))
mkdirSync(folder, { recursive: true })
const probes = readFileSync(join(here, 'probes.js'), 'utf8')
/** @param {string} text */
const say = (text) => process.stderr.write(`${text}\n`)
/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** @type {import('node:child_process').ChildProcess[]} */
const started = []
/** @param {string} program @param {string[]} args @param {string} log @param {Record<string, string>} env */
function start(program, args, log, env = {}) {
  const out = openSync(log, 'a')
  const child = spawn(program, args, { stdio: ['ignore', out, out], env: { ...process.env, ...env } })
  started.push(child)
  return child
}
/** @param {import('node:child_process').ChildProcess} child */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await gone
  clearTimeout(late)
}

/** @param {string} url */
async function answers(url) {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}
/** @param {() => Promise<boolean>} look @param {string} what @param {number} [limitMs] */
async function until(look, what, limitMs = 120_000) {
  const began = Date.now()
  while (!(await look())) {
    if (Date.now() - began > limitMs) throw new Error(`waited too long for ${what}`)
    await sleep(100)
  }
}
/** @returns {Promise<number>} */
const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** Proportional memory of a process and all that descend from it, in MB. @param {number} root */
function memoryMb(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // It ended meanwhile.
    }
  }
  let kb = 0
  const waiting = [root]
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    waiting.push(...(children.get(pid) ?? []))
    try {
      kb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      // It ended meanwhile.
    }
  }
  return kb / 1024
}

/** Processor time that a process has taken, in milliseconds; the kernel counts in hundredths of a second.
 *  @param {number} pid */
function processorMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** @param {string[]} args @param {string} what */
function fill(args, what) {
  say(`Filling: ${what}`)
  const done = spawnSync(programs.bench, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (done.status !== 0) throw new Error(`filling failed: ${done.stderr}`)
  const line = done.stdout.trim().split('\n').at(-1) ?? ''
  return JSON.parse(line)
}

/** Bytes of scripts that a first visit to the Runs page loads, and how many they are gzipped.
 *  @param {import('@playwright/test').Browser} browser @param {string} address */
async function scriptBytes(browser, address) {
  const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
  /** @type {Promise<Buffer>[]} */
  const bodies = []
  let painted = false
  page.on('response', (response) => {
    if (!painted && /\.js(\?|$)/.test(response.url())) bodies.push(response.body())
  })
  await page.goto(address)
  await page.waitForFunction(() => document.querySelectorAll('[data-metric] canvas').length > 0)
  painted = true
  const found = await Promise.all(bodies)
  await page.close()
  return found.reduce((sum, body) => sum + gzipSync(body).length, 0) / 1024
}

/** @typedef {{ experiment_id: string, run_ids: string[], metrics: string[] }} Curves */

async function measureSlipway() {
  const data = join(folder, 'data')
  const server = start(
    programs.slipway,
    ['serve', '--quiet', '--port', '0', '--data-dir', data],
    join(folder, 'server.log'),
  )
  const known = () => JSON.parse(readFileSync(join(data, 'server.json'), 'utf8'))
  await until(
    async () => existsSync(join(data, 'server.json')) && answers(`${known().address}/health`),
    'Slipway',
  )
  const { address, token } = known()
  const host = new URL(address).host
  const filled = join(folder, 'filled.json')
  if (!existsSync(filled)) {
    const { runs, columns } = sizes
    const many = fill(
      ['fill-runs', '--address', host, '--runs', String(runs), '--columns', String(columns)],
      `${runs} runs, ${columns} columns`,
    )
    const { curves } = sizes
    const long = fill(
      ['fill-curves', '--address', host, '--runs', '20', '--metrics', '24', '--points', String(curves)],
      `24 metrics of 20 runs, ${curves} points each`,
    )
    writeFileSync(filled, JSON.stringify({ many, long }))
    // Histories are packed in the background.
    await sleep(15_000)
  }
  const { many, long } = JSON.parse(readFileSync(filled, 'utf8'))
  const browserServer = await chromium.launchServer({
    executablePath: process.env.SLIPWAY_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  const browser = await chromium.connect(browserServer.wsEndpoint())
  try {
    const kilobytes = await scriptBytes(
      browser,
      `${address}/#token=${token}&go=${encodeURIComponent(`/runs?experiments=${long.experiment_id}`)}`,
    )
    const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
    page.on('pageerror', (error) => say(`the page failed: ${error}`))
    await page.addInitScript(probes)
    await page.goto(`${address}/#token=${token}&go=%2Fsettings`)
    await page.waitForSelector('.window')
    const session = await page.context().newCDPSession(page)
    await session.send('Performance.enable')
    const cost = async () => {
      const { metrics } = await session.send('Performance.getMetrics')
      const busy = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN
      return { page: busy * 1000, server: processorMs(server.pid ?? 0) }
    }
    const rows = await workspaceRows(
      (step, ...args) => page.evaluate(`(${step})(...${JSON.stringify(args)})`),
      { many, long, sizes, say, cost, ...(options.rows ? { only: options.rows.split(',') } : {}) },
    )
    rows.scripts = kilobytes
    rows.memory = memoryMb(browserServer.process().pid ?? 0)
    return { rows, many, long, data }
  } finally {
    await browser.close()
    await browserServer.close()
    await end(server)
  }
}

/** The same rows in the desktop window: tests/desktop drives it, with the same probes. @param {string} data @param {unknown} known */
async function measureWindow(data, known) {
  const python = need('python', options.python)
  const out = join(folder, 'window.json')
  rmSync(out, { force: true })
  const source = readFileSync(join(here, 'rows.mjs'), 'utf8').replace(/^export /gm, '')
  writeFileSync(join(folder, 'window-script.js'), `${probes}\n${source}`)
  const done = spawnSync(need('window', options.window), ['bench_window.py', '-q', '-s'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      PYTHON: python,
      SLIPWAY_BENCH: JSON.stringify({ data, known, sizes, out, script: join(folder, 'window-script.js') }),
    },
  })
  if (done.status !== 0 || !existsSync(out)) {
    say('The desktop window could not be measured; see above.')
    return null
  }
  return JSON.parse(readFileSync(out, 'utf8'))
}

/** MLflow's own page on the same runs, put straight into its database, and on shorter histories. */
async function measureMlflow() {
  const mlflow = need('mlflow', options.mlflow)
  const python = need('python', options.python)
  const home = join(folder, 'mlflow')
  mkdirSync(home, { recursive: true })
  const port = await freePort()
  const database = join(home, 'mlflow.db')
  const serve = () =>
    start(
      mlflow,
      [
        'server',
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--workers',
        '1',
        '--backend-store-uri',
        `sqlite:///${database}`,
        '--artifacts-destination',
        join(home, 'artifacts'),
      ],
      join(folder, 'mlflow.log'),
      { MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', MLFLOW_DISABLE_TELEMETRY: 'true' },
    )
  const address = `http://127.0.0.1:${port}`
  let server = serve()
  await until(() => answers(`${address}/health`), 'MLflow')
  /** @param {string} name */
  const experiment = async (name) => {
    const answer = await fetch(`${address}/api/2.0/mlflow/experiments/create`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name }),
    })
    return String((await answer.json()).experiment_id)
  }
  const many = await experiment('many')
  const long = await experiment('curves')
  await end(server)
  say('Filling MLflow’s database')
  const bench = `'${programs.bench}'`
  const filler = `'${python}' '${resolve(here, '../../../script/bench_fill_mlflow.py')}' '${database}'`
  for (const command of [
    `${bench} fill-runs --print ${many} --runs ${sizes.runs} --columns ${sizes.columns}`,
    `${bench} fill-curves --print ${long} --runs 20 --metrics 24 --points ${sizes.mlflowCurves}`,
  ]) {
    const done = spawnSync('bash', ['-c', `set -o pipefail; ${command} | ${filler}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    if (done.status !== 0) throw new Error(`filling MLflow failed: ${command}`)
  }
  server = serve()
  await until(() => answers(`${address}/health`), 'MLflow')
  const browserServer = await chromium.launchServer({
    executablePath: process.env.SLIPWAY_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  const browser = await chromium.connect(browserServer.wsEndpoint())
  try {
    const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
    await page.addInitScript(probes)
    await page.addInitScript(() => {
      addEventListener('DOMContentLoaded', () => {
        Object.assign(window.slipwayBench, {
          rows: '.ag-center-cols-container [role=row]',
          plots: '.js-plotly-plot',
        })
      })
    })
    await page.goto(`${address}/#/settings`)
    await page.waitForTimeout(5000)
    /** @param {string} hash @param {object} wish */
    const go = (hash, wish) =>
      page.evaluate(
        ([to, wanted]) => slipwayBench.measure(() => slipwayBench.go(to), wanted),
        /** @type {[string, object]} */ ([hash, wish]),
      )
    /** @type {Record<string, number>} */
    const rows = {}
    /** @param {string} name @param {string} hash @param {object} wish @param {(m: any) => number} pick */
    const row = async (name, hash, wish, pick) => {
      try {
        const took = []
        for (let i = 0; i < 3; i++) {
          await go('#/settings', {})
          took.push(pick(await go(hash, wish)))
        }
        rows[name] = median(took)
        say(`MLflow, ${name}: ${Math.round(rows[name] ?? NaN)}`)
      } catch (error) {
        say(`MLflow, ${name}: ${error}`)
      }
    }
    const base = `#/experiments/${many}/runs?orderByKey=attributes.start_time&orderByAsc=false&startTime=ALL&lifecycleFilter=Active`
    await row('open', `${base}&searchFilter=`, { rows: true }, (m) => m.firstRows)
    await row(
      'filter',
      `${base}&searchFilter=${encodeURIComponent(sizes.mlflowFilter)}`,
      { rows: true },
      (m) => m.firstRows,
    )
    await row(
      'sort',
      `#/experiments/${many}/runs?orderByKey=${encodeURIComponent(sizes.mlflowSort)}&orderByAsc=true&startTime=ALL&lifecycleFilter=Active&searchFilter=`,
      { rows: true },
      (m) => m.firstRows,
    )
    await row(
      'paint',
      `#/experiments/${long}/runs?compareRunsMode=CHART&startTime=ALL&lifecycleFilter=Active&searchFilter=`,
      { charts: 4 },
      (m) => m.charts,
    )
    rows.memory = memoryMb(browserServer.process().pid ?? 0)
    return rows
  } finally {
    await browser.close()
    await browserServer.close()
    await end(server)
  }
}

try {
  const slipway = await measureSlipway()
  const inWindow = options.window
    ? await measureWindow(slipway.data, { many: slipway.many, long: slipway.long })
    : null
  const beside = options.mlflow ? await measureMlflow() : null
  const text = markdown(windowRows(slipway.rows, inWindow, beside, sizes))
  process.stdout.write(`${text}\n`)
  if (options.write) {
    const page = readFileSync(options.write, 'utf8')
    const marks = [
      '<!-- measured: from here on, `script/bench ui --write` writes -->',
      '<!-- measured: end of ui -->',
    ]
    const [before, rest] = page.split(marks[0] ?? '')
    const after = rest?.split(marks[1] ?? '')[1]
    if (before === undefined || after === undefined)
      throw new Error(`${options.write} has no place for the table`)
    const said = `Measured on ${new Date().toISOString().slice(0, 10)}${options.quick ? ', with the small sizes of `--quick`' : ''}.`
    writeFileSync(options.write, `${before}${marks[0]}\n\n${said}\n\n${text}\n\n${marks[1]}${after}`)
  }
} finally {
  for (const child of started) await end(child)
  if (!kept) rmSync(folder, { recursive: true, force: true })
}
