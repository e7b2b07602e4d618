// What a cell of the comparison says: a number with its difference to the baseline, or the beginning of a text.

import type { CompareCell, CompareRow } from '../../api/types'
import { formatNumber } from '../../design/format'
import { directionOf } from '../../runset/directions'
import type { Direction } from '../../runset/view'
import type { Reducer } from './compare.svelte'

export interface Shown {
  text: string
  /** The exact value, for a title. */
  title: string
  delta: string
  /** In words, since arrows and colours are not read aloud. */
  verdict: '' | 'better' | 'worse' | 'higher' | 'lower'
}

/** The number that a metric's cell stands for; NaN where no point was finite. */
export function numberOf(cell: CompareCell, reduce: Reducer, direction: Direction | null): number {
  if (reduce === 'best' && direction !== null) {
    return (direction === 'lower' ? cell.min : cell.max) ?? NaN
  }
  return Number(cell.text)
}

export function shown(
  row: CompareRow,
  cell: CompareCell,
  isBase: boolean,
  reduce: Reducer,
  said: Record<string, Direction> = {},
): Shown {
  if (row.section !== 'metrics') {
    const text = cell.text + (cell.long ? ' …' : '')
    return { text: text || (cell.long ? '…' : '(empty)'), title: cell.text, delta: '', verdict: '' }
  }
  const direction = directionOf(row.key, said)
  const value = numberOf(cell, reduce, direction)
  const plain = { text: formatNumber(value), title: String(value), delta: '', verdict: '' as const }
  if (isBase || !row.base) return plain
  const difference = value - numberOf(row.base, reduce, direction)
  if (!Number.isFinite(difference) || difference === 0) return plain
  const up = difference > 0
  const good = direction === null ? null : up === (direction === 'higher')
  return {
    ...plain,
    delta: `${up ? '▲' : '▼'} ${formatNumber(Math.abs(difference))}`,
    verdict: good === null ? (up ? 'higher' : 'lower') : good ? 'better' : 'worse',
  }
}
