// Measures the Runs workspace in Chromium, in the desktop window and beside MLflow's own page, and prints a table.
// `script/bench ui` runs it with the right programs.
// @ts-check

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { besides } from './mlflow.mjs'
import { endAll, say } from './processes.mjs'
import { markdown } from './report.mjs'
import { ROWS, SIZES, tableRows } from './rows.mjs'
import { filled, inChromium, inWindow } from './slipway.mjs'

/** Where rows are measured, in turn. */
const PLACES = ['chromium', 'window', 'mlflow']
const { values: options } = parseArgs({
  options: {
    slipway: { type: 'string' },
    bench: { type: 'string' },
    mlflow: { type: 'string' },
    python: { type: 'string' },
    window: { type: 'string' },
    work: { type: 'string' },
    quick: { type: 'boolean', default: false },
    data: { type: 'string' },
    keep: { type: 'boolean', default: false },
    rows: { type: 'string' },
    places: { type: 'string' },
    page: { type: 'string' },
    write: { type: 'string' },
  },
})
/** @param {string} name @param {string | undefined} value */
function need(name, value) {
  if (!value) throw new Error(`--${name} is missing: script/bench ui gives it`)
  return resolve(value)
}
/** @param {string} name @param {string | undefined} list @param {string[]} known */
function chosen(name, list, known) {
  const wanted = list?.split(',')
  const odd = wanted?.find((one) => !known.includes(one))
  if (odd !== undefined) throw new Error(`--${name} knows no ${odd}, only ${known.join(', ')}`)
  return wanted
}

const only = chosen('rows', options.rows, ROWS)
const places = chosen('places', options.places, PLACES) ?? PLACES
const sizes = options.quick ? SIZES.quick : SIZES.full
const work = need('work', options.work)
mkdirSync(work, { recursive: true })
// What was filled stays for the next time, if that is wished.
const kept = options.data
  ? resolve(options.data)
  : options.keep
    ? join(work, options.quick ? 'ui-quick' : 'ui-full')
    : null
const folder = kept ?? mkdtempSync(join(work, 'ui-'))
mkdirSync(folder, { recursive: true })
/** @type {import('./slipway.mjs').Bench} */
const bench = {
  folder,
  sizes,
  only,
  page: options.page ? resolve(options.page) : undefined,
  programs: {
    slipway: need('slipway', options.slipway),
    bench: need('bench', options.bench),
    mlflow: need('mlflow', options.mlflow),
    python: need('python', options.python),
    window: need('window', options.window),
  },
}

/** What was measured, by place. One that fails leaves the others to be measured. @type {Record<string, any>} */
const measured = {}
/** @param {string} place @param {() => Promise<any>} measure */
async function at(place, measure) {
  if (!places.includes(place)) return
  say(`\n==> ${place}`)
  const before = loadavg()[0] ?? NaN
  const began = Date.now()
  try {
    measured[place] = await measure()
  } catch (error) {
    say(`${place}: ${error}`)
    measured[place] = { failed: { all: String(error).split('\n')[0] } }
  }
  measured[place].seconds = Math.round((Date.now() - began) / 1000)
  measured[place].load = before
  writeFileSync(join(folder, 'measured.json'), JSON.stringify(measured, null, 2))
  // Whoever stops it later has what there is.
  if (options.write) write(options.write, report())
}

function said() {
  const loads = Object.entries(measured).map(
    ([place, { load, seconds }]) => `${place} ${load.toFixed(1)} (${seconds} s)`,
  )
  const busy = Object.values(measured).some(({ load }) => load > 1)
  return [
    ...(busy
      ? [
          '- **Other programs kept the processors busy meanwhile**: times are a few times those of a quiet machine',
        ]
      : []),
    `- ${cpus()[0]?.model}, ${cpus().length} processors, no graphics card; measured on ${new Date().toISOString().slice(0, 10)}${options.quick ? ', with the small sizes of `--quick`' : ''}`,
    ...(options.page
      ? ['- In Chromium, the page comes from a folder of its own (`--page`), not from the program']
      : []),
    `- Processes that were running or waiting when a place's turn began, and how long it took: ${loads.join(', ')}`,
  ].join('\n')
}

function report() {
  const rows = tableRows(measured.chromium, measured.window, measured.mlflow, sizes)
  const shown = rows.filter(({ key }) => !only || only.includes(key))
  return `${said()}\n\n${markdown(shown)}`
}

/** @param {string} path @param {string} text */
function write(path, text) {
  const page = readFileSync(path, 'utf8')
  const marks = [
    '<!-- measured: from here on, `script/bench ui --write` writes -->',
    '<!-- measured: end of ui -->',
  ]
  const [before, rest] = page.split(marks[0] ?? '')
  const after = rest?.split(marks[1] ?? '')[1]
  if (before === undefined || after === undefined) throw new Error(`${path} has no place for the table`)
  writeFileSync(path, `${before}${marks[0]}\n\n${text}\n\n${marks[1]}${after}`)
}

try {
  const known = await filled(bench)
  await at('chromium', () => inChromium(bench, known))
  await at('window', () => inWindow(bench, known))
  await at('mlflow', () => besides(bench))
  process.stdout.write(`${report()}\n`)
  const missing = Object.entries(measured).filter(([, { failed }]) => Object.keys(failed ?? {}).length > 0)
  for (const [place, { failed }] of missing) {
    for (const [row, why] of Object.entries(failed)) say(`not measured: ${row} in ${place}: ${why}`)
  }
  if (missing.length > 0) process.exitCode = 1
} finally {
  await endAll()
  if (!kept && existsSync(folder)) rmSync(folder, { recursive: true, force: true })
}
