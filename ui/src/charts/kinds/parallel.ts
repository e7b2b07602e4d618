// Axes of parallel coordinates: where a value stands on one, and what a brush on it lets through.

import type { MatrixColumn } from '../../api/matrix'
import type { ColumnRef } from '../../api/types'
import { printRef } from '../../runset/view'
import { extent } from './numbers'

export interface ParallelAxis {
  ref: ColumnRef
  column: MatrixColumn
  log: boolean
  flip: boolean
  /** Limits in values; for texts, places in the list. */
  low: number
  high: number
  brush: [number, number] | null
}

type Options = Record<string, string | number | boolean | string[]>

export const logOption = (ref: ColumnRef) => `log ${printRef(ref)}`
export const flipOption = (ref: ColumnRef) => `flip ${printRef(ref)}`
export const brushOption = (ref: ColumnRef) => `brush ${printRef(ref)}`

export function readBrush(value: unknown): [number, number] | null {
  if (typeof value !== 'string') return null
  const ends = value.split(' ').map(Number)
  const [low = NaN, high = NaN] = ends
  return ends.length === 2 && low <= high ? [low, high] : null
}

/** Null where no run has a value that the axis could show. */
export function parallelAxis(ref: ColumnRef, column: MatrixColumn, options: Options): ParallelAxis | null {
  const log = options[logOption(ref)] === true && !column.texts
  const range = extent(column.values, log)
  if (!range) return null
  let [low, high] = range
  if (low === high) {
    // One value stands in the middle.
    low = log ? low / 2 : low - (Math.abs(low) || 1) / 2
    high = log ? high * 2 : high + (Math.abs(high) || 1) / 2
  }
  const flip = options[flipOption(ref)] === true
  return { ref, column, log, flip, low, high, brush: readBrush(options[brushOption(ref)]) }
}

/** From 0 at the bottom to 1 at the top; NaN for what has no place. */
export function placeOn(axis: ParallelAxis, value: number): number {
  if (!Number.isFinite(value) || (axis.log && value <= 0)) return NaN
  const on = axis.log
    ? Math.log(value / axis.low) / Math.log(axis.high / axis.low)
    : (value - axis.low) / (axis.high - axis.low)
  return axis.flip ? 1 - on : on
}

/** The value at a place from 0 at the bottom to 1 at the top. */
export function valueAt(axis: ParallelAxis, place: number): number {
  const on = axis.flip ? 1 - place : place
  return axis.log ? axis.low * (axis.high / axis.low) ** on : axis.low + (axis.high - axis.low) * on
}

/** Rows that every brush lets through. A run without a value does not pass a brush. */
export function passing(axes: readonly ParallelAxis[], count: number): boolean[] {
  const brushed = axes.filter((axis) => axis.brush)
  return Array.from({ length: count }, (_, row) =>
    brushed.every(({ brush, column }) => {
      const value = column.values[row] ?? NaN
      return brush !== null && value >= brush[0] && value <= brush[1]
    }),
  )
}

const quoted = (text: string) => `'${text}'`
const field = (kind: string, key: string) => `${kind}.\`${key}\``

/** Runs that a filter names one by one, at most. */
export const MOST_NAMED = 500

/**
 * The brushes as a filter of the run set. Metrics by their limits and texts by their list stay true for runs to come;
 * anything else can only be said by naming the runs. Null when those are too many.
 */
export function brushFilter(axes: readonly ParallelAxis[], passed: readonly string[]): string | null {
  const clauses: string[] = []
  for (const { ref, column, brush } of axes) {
    if (!brush) continue
    const isLast = ref.kind === 'metric' && (ref.reduce ?? 'last') === 'last'
    if (ref.key.includes('`')) return named(passed)
    if (isLast) {
      const name = field('metrics', ref.key)
      clauses.push(`${name} >= ${brush[0]}`, `${name} <= ${brush[1]}`)
    } else if (column.texts && (ref.kind === 'param' || ref.kind === 'tag')) {
      const texts = column.texts.filter((_, code) => code >= brush[0] && code <= brush[1])
      if (texts.length === 0 || texts.some((text) => text.includes("'"))) return named(passed)
      clauses.push(`${field(`${ref.kind}s`, ref.key)} IN (${texts.map(quoted).join(', ')})`)
    } else return named(passed)
  }
  return clauses.join(' and ')
}

function named(passed: readonly string[]): string | null {
  if (passed.length === 0 || passed.length > MOST_NAMED) return null
  return `attributes.run_id IN (${passed.map(quoted).join(', ')})`
}
