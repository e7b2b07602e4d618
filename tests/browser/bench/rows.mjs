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

/**
 * @param {(step: (...args: any[]) => any, ...args: any[]) => Promise<any>} call Calls a function in the page; it must
 *   not use anything around it.
 * @param {{ many: any, long: any, sizes: typeof SIZES.full, say: (text: string) => void,
 *   cost?: () => Promise<Cost>, only?: string[] }} known `cost` tells what was spent so far; `only` names rows.
 * @typedef {{ page: number, server: number }} Cost Milliseconds of processor time.
 */
export async function workspaceRows(call, { many, long, sizes, say, cost, only }) {
  /** @type {Record<string, any>} */
  const rows = {}
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
  const table = `#/runs?experiments=${many.experiment_id}&layout=1`
  const both = `#/runs?experiments=${many.experiment_id}`
  const charts = `#/runs?experiments=${long.experiment_id}&layout=3&first=20`
  /** @param {string} name @param {() => Promise<number>} once */
  const row = async (name, once) => {
    if (!wants(name)) return
    /** @type {number[]} */
    const took = []
    /** @type {Cost[]} */
    const costs = []
    try {
      for (let i = 0; i < sizes.repeats; i++) {
        took.push(await once())
        costs.push(spent)
      }
      rows[name] = middle(took)
      const page = Math.round(middle(costs.map((one) => one.page)))
      const server = Math.round(middle(costs.map((one) => one.server)))
      if (cost) rows[`${name}.cost`] = { page, server }
      const list = took.map((value) => Math.round(value * 10) / 10).join(' ')
      say(`${name}: ${list}${cost ? `   (processor: page ${page} ms, server ${server} ms)` : ''}`)
    } catch (error) {
      say(`${name}: ${error}`)
    }
  }
  // The server has read what it keeps in memory when this was asked once; the first time is a row of its own.
  await row('cold', async () => {
    if (rows.cold !== undefined) return rows.cold
    return (rows.cold = (await go(both, { rows: true })).firstRows)
  })
  await row('open', async () => (await open(both, { rows: true })).firstRows)
  await row(
    'openCharts',
    async () =>
      (await open(`#/runs?experiments=${long.experiment_id}`, { rows: true, charts: 1 })).firstChart,
  )
  let turn = 0
  if (wants('filter')) await open(table, { rows: true })
  await row('filter', async () => {
    turn += 1
    const filter = encodeURIComponent(`metrics.m00 < 0.${10 + turn} and params.p00 = 'v${turn % 10}'`)
    return (await go(`${table}&filter=${filter}`, { rows: true })).rows
  })
  if (wants('sort')) await open(table, { rows: true })
  await row('sort', async () => {
    turn += 1
    return (
      await go(`${table}&sort=${turn % 2 ? '-' : ''}m:m${String(turn % 10).padStart(2, '0')}`, { rows: true })
    ).rows
  })
  if (wants('group')) await open(table, { rows: true })
  await row('group', async () => {
    turn += 1
    return (await go(`${table}&group=p:p0${turn % 2}`, { rows: true })).rows
  })
  // All columns, so that there is something to scroll to the right as well.
  const all = many.columns.map((/** @type {string} */ column) => encodeURIComponent(column)).join(',')
  if (wants('scrollDown', 'scrollFar', 'scrollRight', 'scrollBoth'))
    await open(`${table}&cols=${all}`, { rows: true })
  /** @param {number} down @param {number} right */
  const scroll = async (down, right) => {
    const frames = await run((y, x) => slipwayBench.scroll(y, x, 200), down, right)
    return frames.filter((/** @type {number} */ ms) => ms > 33.4).length
  }
  await row('scrollDown', () => scroll(84, 0))
  await row('scrollFar', () => scroll(5000, 0))
  await row('scrollRight', () => scroll(0, 60))
  await row('scrollBoth', () => scroll(-120, -45))
  // A first picture comes before the exact one; both count.
  /** @type {number[]} */
  const exact = []
  await row('paint', async () => {
    const done = await open(charts, { charts: 20 })
    exact.push(done.charts)
    return done.allCharts
  })
  if (exact.length > 0) rows.paintExact = middle(exact.splice(0))
  if (wants('zoom', 'crosshair', 'point')) await open(charts, { charts: 20 })
  await row('zoom', async () => {
    const done = await run(() =>
      slipwayBench.measure(() => slipwayBench.press('[data-metric]', '+'), { charts: 20 }),
    )
    exact.push(done.charts)
    return done.allCharts
  })
  if (exact.length > 0) rows.zoomExact = middle(exact.splice(0))
  if (wants('zoom'))
    await run(() => slipwayBench.measure(() => slipwayBench.press('[data-metric]', '0'), { charts: 1 }))
  await row('crosshair', async () =>
    middle(await run(() => slipwayBench.crosshair('[data-metric] .u-over', 50))),
  )
  let step = sizes.curves
  await row('point', () => {
    step += 1
    return run(
      (run_id, key, at) => slipwayBench.newPoint(run_id, key, at, 2 + Math.random()),
      long.run_ids[0],
      long.metrics[0],
      step,
    )
  })
  return rows
}

/**
 * @param {Record<string, number>} here @param {Record<string, number> | null} inWindow
 * @param {Record<string, number> | null} beside @param {typeof SIZES.full} sizes
 * @returns {import('./report.mjs').Row[]}
 */
export function windowRows(here, inWindow, beside, sizes) {
  const many = sizes.runs.toLocaleString('en')
  const wide = `${many} runs x ${sizes.columns.toLocaleString('en')} columns`
  const curves = `24 charts x 20 runs x ${sizes.curves.toLocaleString('en')} points`
  /** @param {string} key @param {string} name @param {string} unit @param {number} [reach] @param {string} [more] */
  const row = (key, name, unit, reach, more) => ({
    name,
    unit,
    slipway: here[key],
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
    row('scrollDown', 'scroll down, 3 rows a frame: frames over 33 ms of 200', 'frames', 0),
    row('scrollFar', 'scroll down, 180 rows a frame: frames over 33 ms of 200', 'frames', 0),
    row('scrollRight', 'scroll right: frames over 33 ms of 200', 'frames', 0),
    row('scrollBoth', 'scroll back up and left: frames over 33 ms of 200', 'frames', 0),
    row('paint', `${curves}: first paint of all`, 'ms', 400, thinner),
    row('paintExact', `${curves}: all exact to the pixel`, 'ms'),
    row('zoom', `${curves}: zoom step of all`, 'ms', 80),
    row('zoomExact', `${curves}: zoom step, all exact to the pixel`, 'ms'),
    row('crosshair', 'crosshair over 24 charts', 'ms', 16),
    row('point', 'a new point logged by the client: to its pixel', 'ms', 1000),
    row('scripts', 'JavaScript sent before the first chart, gzipped', 'KB', 200),
    row(
      'memory',
      'memory of the whole window with that view',
      'MB',
      500,
      'Chromium counts with all its processes.',
    ),
  ]
}
