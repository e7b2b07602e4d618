// What a cell says, as plain data: thousands of them are made while somebody scrolls.

import type { CellValue, ColumnRef, TableRow } from '../../api/types'
import {
  formatAgo,
  formatCell,
  formatCount,
  formatDate,
  formatDuration,
  formatNumber,
} from '../../design/format'
import type { GroupValue } from './tree'

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
export function groupCell(value: GroupValue | null | undefined): CellText {
  if (!value || value.n === 0) return NONE
  if (typeof value.mean !== 'number') {
    const text = value.text ?? ''
    return text ? { text, title: `${text} (${formatCount(value.n)})`, look: 'plain' } : NONE
  }
  const { mean, std, min, max, n } = value
  const spread = n > 1 && typeof std === 'number' ? ` ± ${formatNumber(std)}` : ''
  const range = typeof min === 'number' && typeof max === 'number' ? `${min} … ${max}, ` : ''
  return {
    text: formatNumber(mean) + spread,
    title: `mean ${mean}${typeof std === 'number' ? `, standard deviation ${std}` : ''}, ${range}n = ${n}`,
    look: 'plain',
  }
}
