// The state of the Runs view and its text form in the address, so that a link shows the same thing.

import type { ColumnKind, ColumnRef, Reduce, SortKey, XAxis } from '../../api/types'

export interface Column {
  ref: ColumnRef
  width: number
  pinned: boolean
}

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
  x: XAxis
  smoothing: number
  logs: string[]
  sync: boolean
  chartFilter: string
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
  x: 'step',
  smoothing: 0,
  logs: [],
  sync: true,
  chartFilter: '',
  layout: 2,
  split: 0.5,
}

const KINDS: Record<string, ColumnKind> = { a: 'attribute', p: 'param', m: 'metric', t: 'tag' }
const REDUCERS: Reduce[] = ['last', 'min', 'max', 'first']
const AXES: XAxis[] = ['step', 'time', 'relative']

/** `m:val%2Floss:min`: what a column names, with its parts escaped. */
export function printRef(ref: ColumnRef): string {
  const kind = ref.kind.charAt(0)
  const reduce = ref.kind === 'metric' && ref.reduce && ref.reduce !== 'last' ? `:${ref.reduce}` : ''
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
    x: AXES.find((axis) => axis === params.x) ?? 'step',
    smoothing: number(params.smooth, 0, 0.999, 0),
    logs: list(params.log).map(decodePart),
    sync: params.sync !== '0',
    chartFilter: params.charts ?? '',
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
  put('x', view.x === 'step' ? '' : view.x)
  put('smooth', view.smoothing ? String(view.smoothing) : '')
  put('log', view.logs.map(encodeURIComponent).join(','))
  put('sync', view.sync ? '' : '0')
  put('charts', view.chartFilter)
  put('layout', view.layout === DEFAULT_VIEW.layout ? '' : String(view.layout))
  put('split', view.split === DEFAULT_VIEW.split ? '' : String(Math.round(view.split * 1000) / 1000))
  return params
}
