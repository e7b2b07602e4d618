// Where the columns of the table stand, and which of them are in view.

import type { Column } from '../../runset/view'

export interface Laid {
  column: Column
  id: string
  /** Place among all columns after the name, from 0. */
  index: number
  /** Pixels from the start of its part of the table. */
  left: number
  width: number
  /** Its cells are numbers. */
  right: boolean
  /** Its cells show how they differ from the baseline. */
  delta: boolean
  /** Its cells show the curve of the metric. */
  spark: boolean
}

/** What a column grows by when it shows differences. */
export const DELTA_PX = 72
/** What a column grows by when it shows curves. */
export const SPARK_PX = 68

export interface Layout {
  pinned: Laid[]
  loose: Laid[]
  pinnedWidth: number
  looseWidth: number
}

export function layOut(
  columns: Column[],
  idOf: (column: Column) => string,
  numeric: Set<string>,
  deltas: boolean,
  sparks: readonly string[] = [],
): Layout {
  const pinned: Laid[] = []
  const loose: Laid[] = []
  let pinnedWidth = 0
  let looseWidth = 0
  const pins = columns.filter((column) => column.pinned).length
  for (const column of columns) {
    const id = idOf(column)
    const delta = deltas && column.ref.kind === 'metric'
    const spark = column.ref.kind === 'metric' && sparks.includes(column.ref.key)
    const width = column.width + (delta ? DELTA_PX : 0) + (spark ? SPARK_PX : 0)
    const right = numeric.has(id)
    if (column.pinned) {
      pinned.push({ column, id, index: pinned.length, left: pinnedWidth, width, right, delta, spark })
      pinnedWidth += width
    } else {
      loose.push({ column, id, index: pins + loose.length, left: looseWidth, width, right, delta, spark })
      looseWidth += width
    }
  }
  return { pinned, loose, pinnedWidth, looseWidth }
}

/** First and last of the columns that reach into the pixels between `from` and `to`; empty: last before first. */
export function inView(loose: Laid[], from: number, to: number): [number, number] {
  let low = 0
  let high = loose.length
  while (low < high) {
    const middle = (low + high) >> 1
    const laid = loose[middle]
    if (laid && laid.left + laid.width <= from) low = middle + 1
    else high = middle
  }
  let last = low - 1
  while (last + 1 < loose.length && (loose[last + 1]?.left ?? Infinity) < to) last += 1
  return [low, last]
}
