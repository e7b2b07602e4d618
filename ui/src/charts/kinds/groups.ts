// What the members of a group have together.

export interface Spread {
  count: number
  mean: number
  /** Of a sample: divided by one less than there are. */
  std: number
  min: number
  max: number
}

/** Over the finite values; null when there is none. */
export function spread(values: readonly number[]): Spread | null {
  let count = 0
  let mean = 0
  let squares = 0
  let min = Infinity
  let max = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    count += 1
    const off = value - mean
    mean += off / count
    squares += off * (value - mean)
    min = Math.min(min, value)
    max = Math.max(max, value)
  }
  if (count === 0) return null
  return { count, mean, std: count > 1 ? Math.sqrt(squares / (count - 1)) : 0, min, max }
}
