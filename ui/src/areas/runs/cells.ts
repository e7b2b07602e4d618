// What a cell says, as plain data: thousands of them are made while somebody scrolls.

import type { CellValue, ColumnRef, GroupCell, TableRow } from '../../api/types'
import {
  formatAgo,
  formatCell,
  formatCount,
  formatDate,
  formatDuration,
  formatNumber,
} from '../../design/format'

export interface CellText {
  text: string
  /** More than the text says; empty when that is all. */
  title: string
  look: 'plain' | 'none' | 'odd'
}

const NONE: CellText = { text: '–', title: '', look: 'none' }
const EMPTY: CellText = { text: '', title: '', look: 'plain' }
/** Params are texts; one that reads as a number is shown like one when it is long. */
const LONG = 8

export interface CellContext {
  now: number
  experimentName: (id: string) => string
}

const time = (ms: number | null | undefined, now: number): CellText =>
  ms ? { text: formatAgo(ms, now), title: formatDate(ms), look: 'plain' } : EMPTY

export function runCell(
  row: Omit<TableRow, 'cells'>,
  ref: ColumnRef,
  value: CellValue | null | undefined,
  numeric: boolean,
  context: CellContext,
): CellText {
  if (ref.kind === 'attribute') {
    if (ref.key === 'start_ms') return time(row.start_ms, context.now)
    if (ref.key === 'end_ms') return time(row.end_ms, context.now)
    if (ref.key === 'duration_ms') {
      if (!row.start_ms || (!row.end_ms && row.state !== 'running')) return EMPTY
      const end = row.end_ms ?? Math.max(context.now, row.start_ms)
      return { text: formatDuration(end - row.start_ms), title: '', look: 'plain' }
    }
    if (ref.key === 'experiment') {
      const name = context.experimentName(row.experiment_id)
      return { text: name, title: name, look: 'plain' }
    }
  }
  if (value === null || value === undefined || value === '') return NONE
  const isNumber =
    numeric && typeof value === 'string' && value.length > LONG && Number.isFinite(Number(value))
  const text = isNumber ? formatNumber(Number(value)) : formatCell(value)
  const exact = String(value)
  // A metric that is not a number is what somebody looks for.
  return { text, title: exact, look: ref.kind === 'metric' && typeof value === 'string' ? 'odd' : 'plain' }
}

/** `0.198 ± 0.003`, or the text that all members share. */
export function groupCell(ref: ColumnRef, value: GroupCell | null | undefined, now: number): CellText {
  if (!value || value.n === 0) return NONE
  if (ref.kind === 'attribute' && typeof value.min === 'number' && typeof value.max === 'number') {
    if (ref.key === 'start_ms' || ref.key === 'end_ms') {
      const title = `${formatDate(value.min)} … ${formatDate(value.max)}`
      return { text: formatAgo(value.max, now), title, look: 'plain' }
    }
    if (ref.key === 'duration_ms') {
      const title = `${formatDuration(value.min)} … ${formatDuration(value.max)}`
      return { text: formatDuration(value.mean ?? value.max), title: `mean; ${title}`, look: 'plain' }
    }
  }
  if (typeof value.mean !== 'number') {
    const text = value.text ?? (value.different > 1 ? `${formatCount(value.different)} values` : '')
    const title = `${value.text ?? text} (n = ${formatCount(value.n)})`
    return text ? { text, title, look: value.text ? 'plain' : 'none' } : NONE
  }
  const { mean, std, min, max, n, numbers } = value
  const spread = numbers > 1 && typeof std === 'number' ? ` ± ${formatNumber(std)}` : ''
  const range = typeof min === 'number' && typeof max === 'number' ? `${min} … ${max}, ` : ''
  return {
    text: formatNumber(mean) + spread,
    title: `mean ${mean}${typeof std === 'number' ? `, standard deviation ${std}` : ''}, ${range}n = ${n}${n > numbers ? ` (${n - numbers} not finite)` : ''}`,
    look: 'plain',
  }
}
