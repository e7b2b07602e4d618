// Columns and their values in words.

import type { MatrixColumn } from '../../api/matrix'
import type { ColumnInfo, ColumnRef } from '../../api/types'
import { formatDate, formatDuration, formatNumber } from '../../design/format'
import { columnLabel } from '../../runset/columns'
import { byLetters } from '../../design/order'

/** `val/loss`, or `val/loss (min)`. */
export function refLabel(ref: ColumnRef): string {
  const reduce = ref.kind === 'metric' && ref.reduce && ref.reduce !== 'last' ? ` (${ref.reduce})` : ''
  return columnLabel(ref) + reduce
}

export function numberText(ref: ColumnRef, value: number): string {
  if (ref.kind === 'attribute' && (ref.key === 'start_ms' || ref.key === 'end_ms')) return formatDate(value)
  if (ref.kind === 'attribute' && ref.key === 'duration_ms') return formatDuration(value)
  return formatNumber(value)
}

/** What a run has in a column; a dash where it has nothing. */
export function valueText(ref: ColumnRef, column: MatrixColumn, row: number): string {
  const value = column.values[row] ?? NaN
  if (column.texts) return column.texts[value] ?? '–'
  return Number.isNaN(value) ? '–' : numberText(ref, value)
}

/** Long names keep their ends: the start says the section, the end the metric. */
export function shortLabel(text: string, most = 28): string {
  if (text.length <= most) return text
  const head = Math.ceil((most - 1) / 2)
  return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`
}

const GOOD = /(^|[^a-z])(val|valid|validation|eval|dev|test)([^a-z]|$)/i
const KNOWN = /(loss|acc|auc|f1|score|precision|recall|reward|mae|mse|rmse|r2|error)/i

/** The metric that people most likely compare runs by. */
export function mainMetric(known: ColumnInfo[]): ColumnRef | null {
  const worth = (column: ColumnInfo) => Number(GOOD.test(column.key)) * 2 + Number(KNOWN.test(column.key))
  const metrics = known.filter(({ kind, key }) => kind === 'metric' && !key.startsWith('system/'))
  metrics.sort((a, b) => worth(b) - worth(a) || b.run_count - a.run_count || byLetters(a.key, b.key))
  const best = metrics[0]
  return best ? { kind: 'metric', key: best.key, reduce: 'last' } : null
}

/** Params that differ between runs, the most used ones first. */
export function varyingParams(known: ColumnInfo[]): ColumnInfo[] {
  return known
    .filter((column) => column.kind === 'param' && column.varies)
    .sort((a, b) => b.run_count - a.run_count || byLetters(a.key, b.key))
}
