// How one chart is drawn: the run set's word, unless the chart has one of its own.

import type { PanelSettings } from '../runset/panels'
import type { RunsView } from '../runset/view'
import type { Aggregate, Axis, Band, Smoothing } from '../runset/view'

export interface ChartLook {
  log: boolean
  /** Logarithmic on both sides of zero. */
  symlog: boolean
  logX: boolean
  x: Axis
  smoothing: number
  smoothingKind: Smoothing
  faint: boolean
  clip: boolean
  aggregate: Aggregate
  band: Band
  members: boolean
  /** What somebody typed; a zoom goes before it. */
  xRange: readonly [number | null, number | null]
  yRange: readonly [number | null, number | null]
}

/** Columns and rows of the grid that a chart may take. */
export const MOST_WIDE = 3
export const MOST_TALL = 2

export function chartLook(view: RunsView, id: string, metric: string | null): ChartLook {
  const own: PanelSettings = view.settings[id] ?? {}
  const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : null)
  const log = own.log ?? (metric !== null && view.logs.includes(metric))
  return {
    log,
    symlog: !log && (own.symlog ?? false),
    logX: own.logX ?? false,
    x: own.x ?? view.x,
    smoothing: own.smoothing ?? view.smoothing,
    smoothingKind: own.smoothingKind ?? view.smoothingKind,
    faint: own.faint ?? view.faint,
    clip: own.clip ?? view.clip,
    aggregate: own.aggregate ?? view.aggregate,
    band: own.band ?? view.band,
    members: own.members ?? view.members,
    xRange: [number(own.xMin), number(own.xMax)],
    yRange: [number(own.yMin), number(own.yMax)],
  }
}

export function chartSize(settings: PanelSettings | undefined): { wide: number; tall: number } {
  const within = (value: unknown, most: number) =>
    typeof value === 'number' ? Math.min(most, Math.max(1, Math.round(value) || 1)) : 1
  return { wide: within(settings?.wide, MOST_WIDE), tall: within(settings?.tall, MOST_TALL) }
}

/** The view with some settings of one chart changed; `undefined` goes back to the run set's. */
export function withSettings(
  view: RunsView,
  id: string,
  change: { [K in keyof PanelSettings]: PanelSettings[K] | undefined },
): Partial<RunsView> {
  const merged = Object.fromEntries(
    Object.entries({ ...view.settings[id], ...change }).filter(([, value]) => value !== undefined),
  ) as PanelSettings
  const others = without(view.settings, id)
  return { settings: Object.keys(merged).length > 0 ? { ...others, [id]: merged } : others }
}

export function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([other]) => other !== key))
}
