// The run set: which runs are looked at and how. Table, charts, comparison, exports and saved views share this one
// object. Its text form is the address, so that a link, a reload and the back key show the same thing.

import type { ColumnKind, ColumnRef, Reduce, SortKey } from '../api/types'
import { parsePanels, parseSettings, type Panel, type PanelSettings } from './panels'

export interface Column {
  ref: ColumnRef
  width: number
  pinned: boolean
}

/** What a chart's x axis shows: the run's own clock, or another metric. */
export type Axis = 'step' | 'time' | 'relative' | { metric: string }
/** What stands for the members of a group in a chart. */
export type Aggregate = 'mean' | 'median' | 'min' | 'max'
/** What is shaded around a group's line. */
export type Band = 'none' | 'minmax' | 'std' | 'stderr' | 'ci95'
/** How curves are smoothed: `ema` is debiased, `time_ema` weighs by distance in x. */
export type Smoothing = 'ema' | 'time_ema' | 'gaussian' | 'running' | 'median'
/** Which end of a metric is the good one. */
export type Direction = 'higher' | 'lower'

export interface RunsView {
  experiments: string[]
  filter: string
  search: string
  trash: boolean
  sort: SortKey[]
  /** Null: chosen by what the runs carry. */
  columns: Column[] | null
  nameWidth: number
  /** Every run as a row, instead of a tree. */
  flat: boolean
  /** How many of the first rows the charts show. */
  first: number
  hidden: string[]
  shown: string[]
  /** Runs whose colours were spread, in the order of the colours. */
  spread: string[]
  /** Runs that stay at the top of the table, whatever the order and the filter. */
  pins: string[]
  /** The run that others are compared with. */
  baseline: string | null
  /** Cells show their difference to the baseline. */
  deltas: boolean
  /** Only columns in which the matching runs differ. */
  differing: boolean
  /** Cells of metrics are shaded, the best ones most. */
  heat: boolean
  /** Metrics whose columns show the curve beside the number. */
  sparks: string[]
  archived: boolean
  group: ColumnRef[]
  aggregate: Aggregate
  band: Band
  /** The lines of a group's members are drawn as well. */
  members: boolean
  /** The param, metric, tag or attribute whose value gives a run its colour; null: its id. */
  colour: ColumnRef | null
  /** What people said about metrics; others are guessed by name. */
  directions: Record<string, Direction>
  x: Axis
  smoothing: number
  smoothingKind: Smoothing
  /** The unsmoothed line stays visible, faintly. */
  faint: boolean
  /** Outliers do not stretch the y axis. */
  clip: boolean
  logs: string[]
  sync: boolean
  chartFilter: string
  /** Charts that somebody added. */
  panels: Panel[]
  /** What was changed about single charts, by panel id; an automatic chart's id is `metric:` and its metric. */
  settings: Record<string, PanelSettings>
  /** Ids of panels in the order that somebody gave them; others follow. */
  order: string[]
  /** Sections that are closed. */
  closed: string[]
  layout: 1 | 2 | 3
  /** Part of the width that the table has. */
  split: number
}

export const DEFAULT_VIEW: RunsView = {
  experiments: [],
  filter: '',
  search: '',
  trash: false,
  sort: [],
  columns: null,
  nameWidth: 248,
  flat: false,
  first: 20,
  hidden: [],
  shown: [],
  spread: [],
  pins: [],
  baseline: null,
  deltas: false,
  differing: false,
  heat: false,
  sparks: [],
  archived: false,
  group: [],
  aggregate: 'mean',
  band: 'std',
  members: false,
  colour: null,
  directions: {},
  x: 'step',
  smoothing: 0,
  smoothingKind: 'ema',
  faint: true,
  clip: false,
  logs: [],
  sync: true,
  chartFilter: '',
  panels: [],
  settings: {},
  order: [],
  closed: [],
  layout: 2,
  split: 0.5,
}

const KINDS: Record<string, ColumnKind> = { a: 'attribute', p: 'param', m: 'metric', t: 'tag' }
const REDUCERS: Reduce[] = ['last', 'min', 'max', 'first']
const AGGREGATES: Aggregate[] = ['mean', 'median', 'min', 'max']
const BANDS: Band[] = ['none', 'minmax', 'std', 'stderr', 'ci95']
const SMOOTHINGS: Smoothing[] = ['ema', 'time_ema', 'gaussian', 'running', 'median']

/** `step`, or `m:epoch` for a metric. */
export function printAxis(axis: Axis): string {
  return typeof axis === 'string' ? axis : `m:${encodeURIComponent(axis.metric)}`
}

export function parseAxis(text: string | undefined): Axis {
  if (text === 'time' || text === 'relative') return text
  if (text?.startsWith('m:') && text.length > 2) return { metric: decodePart(text.slice(2)) }
  return 'step'
}

/** `m:val%2Floss:min`: what a column names, with its parts escaped. */
export function printRef(ref: ColumnRef): string {
  const kind = ref.kind.charAt(0)
  const step = ref.reduce === 'at' ? (ref.step ?? 0) : ''
  const reduce = ref.kind === 'metric' && ref.reduce && ref.reduce !== 'last' ? `:${ref.reduce}${step}` : ''
  return `${kind}:${encodeURIComponent(ref.key)}${reduce}`
}

export function parseRef(text: string): ColumnRef | null {
  const [letter = '', key = '', reduce] = text.split(':')
  const kind = KINDS[letter]
  if (!kind || !key) return null
  let plain: string
  try {
    plain = decodeURIComponent(key)
  } catch {
    return null
  }
  if (kind !== 'metric') return { kind, key: plain }
  const at = /^at(-?\d{1,15})$/.exec(reduce ?? '')?.[1]
  if (at !== undefined) return { kind, key: plain, reduce: 'at', step: Number(at) }
  return { kind, key: plain, reduce: REDUCERS.find((name) => name === reduce) ?? 'last' }
}

export function defaultWidth(ref: ColumnRef): number {
  // Wide enough for its name, within reason: a column of numbers needs no more than its head.
  const byName = (least: number) => Math.round(Math.min(150, Math.max(least, 26 + ref.key.length * 6.4)))
  if (ref.kind === 'metric') return byName(84)
  if (ref.kind === 'param') return byName(88)
  if (ref.kind === 'tag') return byName(112)
  return (
    { state: 100, start_ms: 84, end_ms: 96, duration_ms: 80, experiment: 140, run_id: 120 }[ref.key] ?? 120
  )
}

function one<T extends string>(known: T[], text: string | undefined, otherwise: T): T {
  return known.find((name) => name === text) ?? otherwise
}

const list = (text: string | undefined) => (text ? text.split(',').filter(Boolean) : [])

function number(text: string | undefined, low: number, high: number, otherwise: number): number {
  const value = text === undefined || text === '' ? NaN : Number(text)
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise
}

function parseColumn(text: string): Column | null {
  const [name = '', size = '', pin] = text.split('@')
  const ref = parseRef(name)
  if (!ref) return null
  return { ref, width: number(size, 40, 1200, defaultWidth(ref)), pinned: pin === 'p' }
}

function printColumn(column: Column): string {
  const width = column.width === defaultWidth(column.ref) ? '' : String(Math.round(column.width))
  const tail = column.pinned ? `@${width}@p` : width ? `@${width}` : ''
  return printRef(column.ref) + tail
}

function parseSort(text: string): SortKey | null {
  const column = parseRef(text.replace(/^-/, ''))
  return column && { column, descending: text.startsWith('-') }
}

export function parseView(params: Record<string, string>): RunsView {
  const layout = number(params.layout, 1, 3, DEFAULT_VIEW.layout)
  return {
    experiments: list(params.experiments),
    filter: params.filter ?? '',
    search: params.q ?? '',
    trash: params.trash === '1',
    sort: list(params.sort)
      .map(parseSort)
      .filter((key) => key !== null),
    columns:
      params.cols === undefined
        ? null
        : list(params.cols)
            .map(parseColumn)
            .filter((column) => column !== null),
    nameWidth: number(params.name, 80, 900, DEFAULT_VIEW.nameWidth),
    flat: params.flat === '1',
    first: number(params.first, 1, 200, DEFAULT_VIEW.first),
    hidden: list(params.hide),
    shown: list(params.show),
    spread: list(params.spread),
    pins: list(params.pin),
    baseline: params.base || null,
    deltas: params.delta === '1',
    differing: params.differ === '1',
    heat: params.heat === '1',
    sparks: list(params.sparks).map(decodePart),
    archived: params.archived === '1',
    group: list(params.group)
      .map(parseRef)
      .filter((ref) => ref !== null),
    aggregate: one(AGGREGATES, params.agg, DEFAULT_VIEW.aggregate),
    band: one(BANDS, params.band, DEFAULT_VIEW.band),
    members: params.members === '1',
    colour: params.colour ? parseRef(params.colour) : null,
    directions: Object.fromEntries([
      ...list(params.higher).map((key) => [decodePart(key), 'higher']),
      ...list(params.lower).map((key) => [decodePart(key), 'lower']),
    ]) as Record<string, Direction>,
    x: parseAxis(params.x),
    smoothing: number(params.smooth, 0, 0.999, 0),
    smoothingKind: one(SMOOTHINGS, params.smoother, DEFAULT_VIEW.smoothingKind),
    faint: params.faint !== '0',
    clip: params.clip === '1',
    logs: list(params.log).map(decodePart),
    sync: params.sync !== '0',
    chartFilter: params.charts ?? '',
    panels: parsePanels(params.panels),
    settings: parseSettings(params.settings),
    order: list(params.order).map(decodePart),
    closed: list(params.closed).map(decodePart),
    layout: layout === 1 ? 1 : layout === 3 ? 3 : 2,
    split: number(params.split, 0.15, 0.85, DEFAULT_VIEW.split),
  }
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Leaves out whatever is as it is by default. */
export function printView(view: RunsView): Record<string, string> {
  const params: Record<string, string> = {}
  const put = (key: string, value: string) => {
    if (value !== '') params[key] = value
  }
  put('experiments', view.experiments.join(','))
  put('filter', view.filter)
  put('q', view.search)
  put('trash', view.trash ? '1' : '')
  put('sort', view.sort.map((key) => (key.descending ? '-' : '') + printRef(key.column)).join(','))
  if (view.columns) put('cols', view.columns.map(printColumn).join(',') || 'none')
  put('name', view.nameWidth === DEFAULT_VIEW.nameWidth ? '' : String(Math.round(view.nameWidth)))
  put('flat', view.flat ? '1' : '')
  put('first', view.first === DEFAULT_VIEW.first ? '' : String(view.first))
  put('hide', view.hidden.join(','))
  put('show', view.shown.join(','))
  put('spread', view.spread.join(','))
  put('pin', view.pins.join(','))
  put('base', view.baseline ?? '')
  put('delta', view.deltas ? '1' : '')
  put('differ', view.differing ? '1' : '')
  put('heat', view.heat ? '1' : '')
  put('sparks', view.sparks.map(encodeURIComponent).join(','))
  put('archived', view.archived ? '1' : '')
  put('group', view.group.map(printRef).join(','))
  put('agg', view.aggregate === DEFAULT_VIEW.aggregate ? '' : view.aggregate)
  put('band', view.band === DEFAULT_VIEW.band ? '' : view.band)
  put('members', view.members ? '1' : '')
  put('colour', view.colour ? printRef(view.colour) : '')
  const directed = (direction: Direction) =>
    Object.keys(view.directions)
      .filter((key) => view.directions[key] === direction)
      .map(encodeURIComponent)
      .join(',')
  put('higher', directed('higher'))
  put('lower', directed('lower'))
  put('x', view.x === 'step' ? '' : printAxis(view.x))
  put('smooth', view.smoothing ? String(view.smoothing) : '')
  put('smoother', view.smoothingKind === DEFAULT_VIEW.smoothingKind ? '' : view.smoothingKind)
  put('faint', view.faint ? '' : '0')
  put('clip', view.clip ? '1' : '')
  put('log', view.logs.map(encodeURIComponent).join(','))
  put('sync', view.sync ? '' : '0')
  put('charts', view.chartFilter)
  put('panels', view.panels.length > 0 ? JSON.stringify(view.panels) : '')
  put('settings', Object.keys(view.settings).length > 0 ? JSON.stringify(view.settings) : '')
  put('order', view.order.map(encodeURIComponent).join(','))
  put('closed', view.closed.map(encodeURIComponent).join(','))
  put('layout', view.layout === DEFAULT_VIEW.layout ? '' : String(view.layout))
  put('split', view.split === DEFAULT_VIEW.split ? '' : String(Math.round(view.split * 1000) / 1000))
  return params
}
