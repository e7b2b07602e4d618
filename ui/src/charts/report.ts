// The charts of a run set as a report holds them: those on screen, as far as the server can draw their kind.

import type { ReportBar, ReportChart } from '../api/types'
import { plural } from '../design/format'
import type { Panel } from '../runset/panels'
import type { RunsView } from '../runset/view'
import type { ColumnInfo } from '../api/types'
import { pictureLine, pictureOf, screenPalette } from './export'
import type { ChartRun } from './group.svelte'
import { registry } from './panels'
import { matchedMetrics } from './pick'
import { makePlan, runGroups } from './plan'
import { sections, type ChartItem, type ChartMetric } from './sections'
import { chartLook } from './settings'

/** What the charts of a screen depend on. */
export interface ReportSet {
  view: RunsView
  runs: ChartRun[]
  known: ColumnInfo[]
  metrics: ChartMetric[]
  /** Runs that have a metric which was logged once. */
  bars: (metric: string) => { runId: string; name: string }[]
}

/** A report has no more. */
export const MOST_CHARTS = 60
const MOST_BARS = 60
const REACHES = ['std', 'stderr', 'minmax', 'none'] as const

export function reportCharts(set: ReportSet): ReportChart[] {
  const { view } = set
  const drawn: ReportChart[] = []
  const leftOut: ReportChart[] = []
  const leave = (title: string, reason: string) => leftOut.push({ kind: 'left_out', title, reason })
  for (const section of sections(set.metrics, view.chartFilter, view.panels, view.order)) {
    if (view.closed.includes(section.name)) {
      leave(`Section ${section.name}, ${plural(section.items.length, 'chart')}`, 'it was closed')
      continue
    }
    for (const item of section.items) {
      const title = view.settings[item.id]?.title ?? item.metric?.key ?? item.title
      const charts = chartsOf(set, item, title)
      if (typeof charts === 'string') leave(title, charts)
      else if (drawn.length + charts.length > MOST_CHARTS - 1)
        leave(title, `a report has at most ${MOST_CHARTS} charts`)
      else drawn.push(...charts)
    }
  }
  const room = MOST_CHARTS - drawn.length
  if (leftOut.length > room) {
    const rest = leftOut.length - room + 1
    leftOut.splice(room - 1)
    leave(`${plural(rest, 'further chart')}`, 'as those above')
  }
  return [...drawn, ...leftOut]
}

/** The charts that one of the screen becomes; a text says why it becomes none. */
function chartsOf(set: ReportSet, item: ChartItem, title: string): ReportChart[] | string {
  const { panel, metric } = item
  if (metric && !metric.is_curve) {
    const bars = runBars(set, set.bars(metric.key))
    const column = { kind: 'metric', key: metric.key, reduce: 'last' } as const
    // A metric that no visible run has is no chart on screen either.
    return bars.length === 0 ? [] : [{ kind: 'bars', title, column, reach: 'none', bars }]
  }
  if (metric || panel?.kind === 'line') {
    const curves = set.known.filter((column) => column.kind === 'metric')
    const keys = metric ? [metric.key] : panel ? matchedMetrics(panel, curves) : []
    if (keys.length === 0) return 'it has no metric'
    const look = chartLook(set.view, item.id, metric?.key ?? null)
    const plan = makePlan(set.runs, keys, look, set.view.baseline)
    return [{ kind: 'lines', ...pictureOf(plan, look, title, set.view.baseline, null) }]
  }
  return panel ? plotOf(set, panel, title) : []
}

function plotOf(set: ReportSet, panel: Panel, title: string): ReportChart[] | string {
  const [x, y] = panel.refs
  const { options = {} } = panel
  if (panel.kind === 'scatter' && x && y)
    return [{ kind: 'scatter', title, x, y, log_x: options.logX === true, log_y: options.logY === true }]
  if (panel.kind === 'bar' && panel.refs.length > 0) {
    const bars = groupBars(set) ?? runBars(set, set.runs)
    const reach = REACHES.find((name) => name === options.error) ?? 'std'
    return panel.refs
      .filter((ref) => ref.kind === 'metric')
      .map((column) => ({
        kind: 'bars',
        title: panel.refs.length > 1 ? column.key : title,
        column,
        reach,
        bars,
      }))
  }
  return `${(registry[panel.kind]?.label ?? panel.kind).toLowerCase()} are drawn by the window only`
}

function runBars(set: ReportSet, runs: { runId: string; name: string }[]): ReportBar[] {
  const palette = screenPalette()
  return runs.slice(0, MOST_BARS).map(({ runId, name }) => ({
    ...pictureLine({ runId, name, kind: 'run', dash: null }, set.view.baseline, palette),
    run_ids: [runId],
  }))
}

/** A bar a group; null when runs are not grouped. */
function groupBars(set: ReportSet): ReportBar[] | null {
  const groups = runGroups(set.runs)
  if (groups.length === 0) return null
  const palette = screenPalette()
  return groups.slice(0, MOST_BARS).map(({ id, name, runIds }) => ({
    ...pictureLine({ runId: id, name, kind: 'group', dash: null }, set.view.baseline, palette),
    run_ids: runIds,
  }))
}
