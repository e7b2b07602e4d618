// What is measured in the Runs workspace, as steps that both Chromium and the desktop window take. No imports: this text
// also runs inside the window's page.
// @ts-check

export const SIZES = {
  full: {
    runs: 100_000,
    columns: 2000,
    curves: 1_000_000,
    mlflowCurves: 10_000,
    repeats: 5,
    mlflowFilter: 'metrics.m00 < 0.1',
    mlflowSort: 'metrics.m01',
  },
  quick: {
    runs: 5000,
    columns: 500,
    curves: 20_000,
    mlflowCurves: 1000,
    repeats: 3,
    mlflowFilter: 'metrics.m00 < 0.1',
    mlflowSort: 'metrics.m01',
  },
}

/** What can be measured, by the names that `--rows` takes. */
export const ROWS = [
  ...['cold', 'open', 'openCharts', 'filter', 'sort', 'group', 'groupWide'],
  ...['scrollDown', 'scrollFar', 'scrollRight', 'scrollBoth', 'paint', 'paintExact', 'zoom', 'zoomExact'],
  ...['crosshair', 'point', 'scripts', 'memory', 'memoryAfter'],
]

/** A row is not repeated again once it took this long: something else is wrong then. */
const ROW_LIMIT_MS = 60_000

/**
 * @param {(step: (...args: any[]) => any, ...args: any[]) => Promise<any>} call Calls a function in the page; it must
 *   not use anything around it.
 * @param {{ many: any, long: any, sizes: typeof SIZES.full, say: (text: string) => void,
 *   cost?: () => Promise<Cost>, only?: string[] }} known `cost` tells what was spent so far; `only` names rows.
 * @typedef {{ page: number, server: number }} Cost Milliseconds of processor time.
 */
export async function workspaceRows(call, { many, long, sizes, say, cost, only }) {
  /** @type {Record<string, any>} */
  const rows = { failed: {} }
  /** @param {string[]} names */
  const wants = (...names) => !only || names.some((name) => only.includes(name))
  /** What the last step took of the processors. @type {Cost} */
  let spent = { page: NaN, server: NaN }
  /** @type {typeof call} */
  const run = async (step, ...args) => {
    const before = await cost?.()
    const result = await call(step, ...args)
    const after = await cost?.()
    if (before && after) spent = { page: after.page - before.page, server: after.server - before.server }
    return result
  }
  /** @param {number[]} values */
  const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN
  /** @param {string} hash @param {object} [wish] */
  const go = (hash, wish = {}) =>
    run((to, wanted) => slipwayBench.measure(() => slipwayBench.go(to), wanted), hash, wish)
  /** Opens a page anew, whatever is open. @param {string} hash @param {object} wish */
  const open = async (hash, wish) => {
    await go('#/settings')
    return go(hash, wish)
  }
  /** @param {string} name @param {unknown} error */
  const failed = (name, error) => {
    rows.failed[name] = String(error).split('\n')[0]
    say(`${name}: ${error}`)
  }
  /** Leads to where the rows named are measured; what fails fails those rows alone.
   *  @param {string[]} names @param {() => Promise<any>} lead @returns {Promise<boolean>} */
  const place = async (names, lead) => {
    if (!wants(...names)) return false
    try {
      await lead()
      return true
    } catch (error) {
      for (const name of names) failed(name, error)
      return false
    }
  }
  const table = `#/runs?experiments=${many.experiment_id}&layout=1`
  const both = `#/runs?experiments=${many.experiment_id}`
  const charts = `#/runs?experiments=${long.experiment_id}&layout=3&first=20`
  /** @param {string} name @param {() => Promise<number>} once @param {number} [times] */
  const row = async (name, once, times = sizes.repeats) => {
    if (!wants(name)) return
    /** @type {number[]} */
    const took = []
    /** @type {Cost[]} */
    const costs = []
    const began = Date.now()
    try {
      while (took.length < times && (took.length === 0 || Date.now() - began < ROW_LIMIT_MS)) {
        took.push(await once())
        costs.push(spent)
      }
    } catch (error) {
      // What came before it failed is a measurement all the same.
      if (took.length < 3) return failed(name, error)
    }
    rows[name] = middle(took)
    const page = Math.round(middle(costs.map((one) => one.page)))
    const server = Math.round(middle(costs.map((one) => one.server)))
    if (cost) rows[`${name}.cost`] = { page, server }
    const list = took.map((value) => Math.round(value * 10) / 10).join(' ')
    say(`${name}: ${list}${cost ? `   (processor: page ${page} ms, server ${server} ms)` : ''}`)
  }
  // The server has read what it keeps in memory when this was asked once; the first time is a row of its own.
  await row('cold', async () => (await go(both, { rows: true })).firstRows, 1)
  await row('open', async () => (await open(both, { rows: true })).firstRows)
  await row(
    'openCharts',
    async () =>
      (await open(`#/runs?experiments=${long.experiment_id}`, { rows: true, charts: 1 })).firstChart,
  )
  let turn = 0
  if (await place(['filter', 'sort', 'group'], () => open(table, { rows: true }))) {
    await row('filter', async () => {
      turn += 1
      const filter = encodeURIComponent(`metrics.m00 < 0.${10 + turn} and params.p00 = 'v${turn % 10}'`)
      return (await go(`${table}&filter=${filter}`, { rows: true })).rows
    })
    await row('sort', async () => {
      turn += 1
      const by = `${turn % 2 ? '-' : ''}m:m${String(turn % 10).padStart(2, '0')}`
      return (await go(`${table}&sort=${by}`, { rows: true })).rows
    })
    await row('group', async () => {
      turn += 1
      return (await go(`${table}&group=p:p0${turn % 2}`, { rows: true })).rows
    })
  }
  // Columns that nobody has looked at yet: the server reads them first.
  /** @param {string[]} columns */
  const with40 = (columns) => `${table}&cols=${columns.map(encodeURIComponent).join(',')}`
  let from = 400
  if (await place(['groupWide'], () => open(table, { rows: true }))) {
    await row('groupWide', async () => {
      from = (from + 40) % Math.max(40, many.columns.length - 40)
      return (await go(`${with40(many.columns.slice(from, from + 40))}&group=p:p00`, { rows: true })).rows
    })
  }
  // All columns, so that there is something to scroll to the right as well.
  /** @param {number} down @param {number} right */
  const scroll = async (down, right) => {
    const frames = await run((y, x) => slipwayBench.scroll(y, x, 200), down, right)
    return frames.filter((/** @type {number} */ ms) => ms > 33.4).length
  }
  const scrolled = ['scrollDown', 'scrollFar', 'scrollRight', 'scrollBoth']
  if (await place(scrolled, () => open(with40(many.columns), { rows: true }))) {
    await row('scrollDown', () => scroll(84, 0))
    // Down and up in turns: there is no more to scroll after a million pixels each time.
    let far = -5000
    await row('scrollFar', () => scroll((far = -far), 0))
    await row('scrollRight', () => scroll(0, 60))
    await row('scrollBoth', () => scroll(-120, -45))
  }
  // A first picture comes before the exact one; both count.
  /** @type {number[]} */
  const exact = []
  await row('paint', async () => {
    const done = await open(charts, { charts: 20 })
    exact.push(done.charts)
    return done.allCharts
  })
  if (exact.length > 0) rows.paintExact = middle(exact.splice(0))
  if (
    await place(['zoom', 'crosshair', 'point', 'memory', 'memoryAfter'], () => open(charts, { charts: 20 }))
  ) {
    await row('zoom', async () => {
      const done = await run(() =>
        slipwayBench.measure(() => slipwayBench.press('[data-metric]', '+'), { charts: 20 }),
      )
      exact.push(done.charts)
      return done.allCharts
    })
    if (exact.length > 0) rows.zoomExact = middle(exact.splice(0))
    await place(['zoom'], () =>
      run(() => slipwayBench.measure(() => slipwayBench.press('[data-metric]', '0'), { charts: 1 })),
    )
    await row('crosshair', async () =>
      middle(await run(() => slipwayBench.crosshair('[data-metric] .u-over', 50))),
    )
    await row('point', () =>
      run((run_id, key) => slipwayBench.newPoint(run_id, key), long.run_ids[0], long.metrics[0]),
    )
  }
  return rows
}

/**
 * @param {Record<string, any> | undefined} here @param {Record<string, any> | undefined} inWindow
 * @param {Record<string, any> | undefined} beside @param {typeof SIZES.full} sizes
 * @returns {import('./report.mjs').Row[]}
 */
export function tableRows(here, inWindow, beside, sizes) {
  const many = sizes.runs.toLocaleString('en')
  const wide = `${many} runs x ${sizes.columns.toLocaleString('en')} columns`
  const curves = `24 charts x 20 runs x ${sizes.curves.toLocaleString('en')} points`
  /** @param {string} key @param {string} name @param {string} unit @param {number} [reach] @param {string} [more] */
  const row = (key, name, unit, reach, more) => ({
    key,
    name,
    unit,
    slipway: here?.[key],
    window: inWindow?.[key],
    mlflow: beside?.[key],
    ...(reach === undefined ? {} : { reach }),
    ...(more === undefined ? {} : { more }),
  })
  const thinner = `MLflow's page has ${sizes.mlflowCurves.toLocaleString('en')} points a run, since its database takes no more in reasonable time; it draws 10 runs.`
  return [
    row('cold', `open Runs with ${many} runs, the very first time: to first rows`, 'ms'),
    row('open', `open Runs with ${many} runs: to first rows`, 'ms', 150),
    row('openCharts', 'open Runs with long histories: to the first chart', 'ms', 400),
    row('filter', `filter ${wide}: to new rows`, 'ms', 100),
    row('sort', `sort ${wide}: to new rows`, 'ms', 100),
    row('group', `group ${wide}: to new rows`, 'ms', 100),
    row('groupWide', `group ${wide}, 40 columns shown that were never read: to new rows`, 'ms', 100),
    row(
      'scrollDown',
      'scroll down, 3 rows a frame: frames over 33 ms of 200',
      'frames',
      0,
      "MLflow's page shows 100 runs, and is scrolled by 12 pixels a frame.",
    ),
    row('scrollFar', 'scroll down, 180 rows a frame: frames over 33 ms of 200', 'frames', 0),
    row('scrollRight', 'scroll right: frames over 33 ms of 200', 'frames', 0),
    row('scrollBoth', 'scroll back up and left: frames over 33 ms of 200', 'frames', 0),
    row(
      'paint',
      `${curves}: first paint of all`,
      'ms',
      400,
      `The first picture has the smallest and largest point of every 2,000, and says so until the exact one is there. ${thinner}`,
    ),
    row('paintExact', `${curves}: all exact to the pixel`, 'ms'),
    row('zoom', `${curves}: zoom step of all`, 'ms', 80),
    row('zoomExact', `${curves}: zoom step, all exact to the pixel`, 'ms'),
    row('crosshair', 'crosshair over 24 charts', 'ms', 16),
    row('point', 'a new point logged by the client: to its pixel', 'ms', 1000),
    row('scripts', 'JavaScript sent before the first chart, gzipped', 'KB', 200),
    row(
      'memory',
      'memory of the whole window with 24 charts',
      'MB',
      500,
      'Proportional memory (PSS) of all processes: what several share counts once. Chromium counts with all of its own, which with a blank page take most of it, and without the server; the desktop window with WebKit and the server in it. The view is the first that the window shows.',
    ),
    row('memoryAfter', 'memory of the whole window with 24 charts, after all the rows above', 'MB', 500),
  ]
}
