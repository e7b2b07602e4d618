// Which lines a chart has: for every metric one a run, or one a group and, if wanted, its members. The order of the lines
// is that of the question to the server, which answers by number.

import type { SeriesRequest } from '../api/types'
import { DASHES } from '../design/colors'
import type { ChartRun } from './group.svelte'
import type { ChartLook } from './settings'

export interface Target {
  /** Whose look the line has, and what lights up with it: a run or a group. */
  runId: string
  /** Runs that light up with it as well. */
  members: readonly string[]
  name: string
  metric: string
  kind: 'run' | 'group' | 'member'
  /** The dash of its metric, where a chart has several; otherwise that of the run. */
  dash: number | null
}

export interface Plan {
  request: SeriesRequest
  targets: Target[]
}

/** Metrics that one chart shows at most. */
export const MOST_METRICS = 24
const MOST_SERIES = 1000

export interface RunGroup {
  id: string
  name: string
  runIds: string[]
}

/** Groups in the order of their first runs; none when runs are not grouped. */
export function runGroups(runs: ChartRun[]): RunGroup[] {
  const groups = new Map<string, RunGroup>()
  for (const { runId, group } of runs) {
    if (!group) continue
    const known = groups.get(group.id)
    if (known) known.runIds.push(runId)
    else groups.set(group.id, { ...group, runIds: [runId] })
  }
  return [...groups.values()]
}

export function makePlan(
  runs: ChartRun[],
  metrics: string[],
  look: ChartLook,
  baseline: string | null,
): Plan {
  const series: { target: Target; run_id: string }[] = []
  const groups: { target: Target; run_ids: string[] }[] = []
  const several = metrics.length > 1
  metrics.slice(0, MOST_METRICS).forEach((metric, i) => {
    const dash = several ? i % DASHES.length : null
    const nameOf = (name: string) => (several ? `${name} · ${metric}` : name)
    const grouped = runGroups(runs)
    for (const run of runs) {
      // The baseline stays a line of its own.
      if (run.group && !look.members && run.runId !== baseline) continue
      series.push({
        run_id: run.runId,
        target: {
          runId: run.group && run.runId !== baseline ? run.group.id : run.runId,
          members: [run.runId],
          name: nameOf(run.name),
          metric,
          kind: run.group && run.runId !== baseline ? 'member' : 'run',
          dash,
        },
      })
    }
    for (const { id, name, runIds } of grouped) {
      groups.push({
        run_ids: runIds,
        target: { runId: id, members: runIds, name: nameOf(name), metric, kind: 'group', dash },
      })
    }
  })
  const room = MOST_SERIES - groups.reduce((sum, { run_ids }) => sum + run_ids.length, 0)
  const drawn = series.slice(0, Math.max(0, room))
  return {
    request: {
      series: drawn.map(({ run_id, target }) => ({ run_id, metric: target.metric })),
      groups: groups.map(({ run_ids, target }) => ({ run_ids, metric: target.metric })),
      ...(typeof look.x === 'string' ? { x: look.x } : { x_metric: look.x.metric }),
      log_x: look.logX,
      smoothing: look.smoothing,
      smoothing_kind: look.smoothingKind,
      aggregate: look.aggregate,
      band: look.band,
      clip: look.clip,
    },
    targets: [...drawn, ...groups].map(({ target }) => target),
  }
}
