// Charts as data: what kind, of what, and how large. They are part of the run set, so they are in links and saved views.

import type { ColumnRef } from '../api/types'
import type { Axis, Band, Aggregate, Smoothing } from './view'

export const PANEL_KINDS = [
  'line',
  'scatter',
  'parallel',
  'bar',
  'box',
  'heat',
  'importance',
  'confusion',
  'curve',
  'histogram',
  'images',
  'rows',
] as const

/** `curve`: ROC and precision-recall; `rows`: tables that runs logged; `heat`: two params against a metric. */
export type PanelKind = (typeof PANEL_KINDS)[number]

export interface Panel {
  id: string
  kind: PanelKind
  title?: string
  /** Section it is shown in; absent: the first one. */
  section?: string
  /** Columns and metrics it shows, in the order that its kind gives a meaning. */
  refs: ColumnRef[]
  /** For kind `line`: a regular expression that picks metrics besides `refs`. */
  match?: string
  /** What only its kind knows. */
  options?: Record<string, string | number | boolean | string[]>
}

/** What one chart has otherwise than the run set; absent fields follow the run set. */
export interface PanelSettings {
  title?: string
  /** Columns and rows of the grid it takes. */
  wide?: number
  tall?: number
  log?: boolean
  symlog?: boolean
  x?: Axis
  smoothing?: number
  smoothingKind?: Smoothing
  faint?: boolean
  clip?: boolean
  aggregate?: Aggregate
  band?: Band
  members?: boolean
  yMin?: number
  yMax?: number
  xMin?: number
  xMax?: number
  logX?: boolean
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function parseJson(text: string | undefined): unknown {
  if (!text) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isRef(value: unknown): value is ColumnRef {
  return (
    isObject(value) &&
    typeof value.key === 'string' &&
    ['attribute', 'param', 'metric', 'tag'].includes(String(value.kind))
  )
}

/** Leaves out what is not a panel: an address can be typed by hand. */
export function parsePanels(text: string | undefined): Panel[] {
  const value = parseJson(text)
  if (!Array.isArray(value)) return []
  const ids = new Set<string>()
  return value.filter((panel): panel is Panel => {
    const fits =
      isObject(panel) &&
      typeof panel.id === 'string' &&
      !ids.has(panel.id) &&
      PANEL_KINDS.some((kind) => kind === panel.kind) &&
      Array.isArray(panel.refs) &&
      panel.refs.every(isRef) &&
      (panel.title === undefined || typeof panel.title === 'string') &&
      (panel.section === undefined || typeof panel.section === 'string') &&
      (panel.match === undefined || typeof panel.match === 'string') &&
      (panel.options === undefined || isObject(panel.options))
    if (fits) ids.add(panel.id as string)
    return fits
  })
}

export function parseSettings(text: string | undefined): Record<string, PanelSettings> {
  const value = parseJson(text)
  if (!isObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, PanelSettings] => isObject(entry[1])),
  )
}
