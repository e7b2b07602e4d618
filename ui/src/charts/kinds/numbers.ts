// Small sums over what a plot has in its hands already.

/** The smallest and largest finite value; null when there is none. With `log`, only values above 0 count. */
export function extent(values: Iterable<number>, log = false): [number, number] | null {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : null
}

/** Limits of an axis a little wider than the data, so that no mark lies on the edge. */
export function padded([low, high]: [number, number], log = false, part = 0.04): [number, number] {
  if (log) {
    const factor = high > low ? (high / low) ** part : 2
    return [low / factor, high * factor]
  }
  const by = high > low ? (high - low) * part : Math.abs(low) * 0.1 || 1
  return [low - by, high + by]
}

export interface Box {
  count: number
  low: number
  q1: number
  median: number
  q3: number
  high: number
  outliers: number[]
}

/** The quantile by straight lines between the order statistics. `sorted` is not empty. */
export function quantile(sorted: readonly number[], at: number): number {
  const place = (sorted.length - 1) * at
  const low = sorted[Math.floor(place)] ?? NaN
  const high = sorted[Math.ceil(place)] ?? low
  return low === high ? low : low + (high - low) * (place - Math.floor(place))
}

/** Tukey's box: whiskers reach to the last value within 1.5 times the box's height; what is beyond is an outlier. */
export function boxOf(values: readonly number[]): Box | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const [q1, median, q3] = [quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)]
  const reach = 1.5 * (q3 - q1)
  const inside = sorted.filter((value) => value >= q1 - reach && value <= q3 + reach)
  return {
    count: sorted.length,
    low: Math.min(q1, inside[0] ?? q1),
    q1,
    median,
    q3,
    high: Math.max(q3, inside[inside.length - 1] ?? q3),
    outliers: sorted.filter((value) => value < q1 - reach || value > q3 + reach),
  }
}

export interface Trend {
  slope: number
  intercept: number
  r: number
  count: number
}

/** Least squares, after each axis was put on its scale; null where one side never changes. */
export function trend(x: ArrayLike<number>, y: ArrayLike<number>, logX = false, logY = false): Trend | null {
  let count = 0
  let meanX = 0
  let meanY = 0
  let xx = 0
  let yy = 0
  let xy = 0
  for (let i = 0; i < x.length; i++) {
    const a = logX ? Math.log10(x[i] ?? NaN) : (x[i] ?? NaN)
    const b = logY ? Math.log10(y[i] ?? NaN) : (y[i] ?? NaN)
    if (!Number.isFinite(a) || !Number.isFinite(b)) continue
    count += 1
    const offX = a - meanX
    meanX += offX / count
    xx += offX * (a - meanX)
    const offY = b - meanY
    meanY += offY / count
    yy += offY * (b - meanY)
    xy += offX * (b - meanY)
  }
  if (count < 3 || !(xx > 0) || !(yy > 0)) return null
  const slope = xy / xx
  return { slope, intercept: meanY - slope * meanX, r: xy / Math.sqrt(xx * yy), count }
}

export interface Axis {
  /** What stands at each cell. */
  labels: string[]
  /** The cell of a value; -1 for none. */
  cell: (value: number) => number
}

/** Cells of equal width over numbers, or one per value where there are few different ones. */
export function binned(
  values: Float64Array,
  log: boolean,
  most: number,
  text: (value: number) => string,
): Axis {
  const different = [...new Set(values)].filter((v) => Number.isFinite(v) && (!log || v > 0))
  different.sort((a, b) => a - b)
  if (different.length <= most) {
    const places = new Map(different.map((value, i) => [value, i]))
    return { labels: different.map(text), cell: (value) => places.get(value) ?? -1 }
  }
  const scale = log ? Math.log : (v: number) => v
  const back = log ? Math.exp : (v: number) => v
  const low = scale(different[0] ?? 0)
  const width = (scale(different[different.length - 1] ?? 1) - low) / most
  // As many digits as tell one edge from the next.
  const largest = Math.max(Math.abs(different[0] ?? 0), Math.abs(different[different.length - 1] ?? 0))
  const digits = log ? 2 : Math.min(9, Math.max(2, Math.ceil(Math.log10(largest / width)) + 1))
  const edge = (at: number) => text(Number(back(at).toPrecision(digits)))
  return {
    labels: Array.from(
      { length: most },
      (_, i) => `${edge(low + i * width)} – ${edge(low + (i + 1) * width)}`,
    ),
    cell: (value) => {
      if (!Number.isFinite(value) || (log && value <= 0)) return -1
      return Math.min(most - 1, Math.max(0, Math.floor((scale(value) - low) / width)))
    },
  }
}

export interface Cell {
  x: number
  y: number
  mean: number
  count: number
}

/** The mean of `z` over the runs in each cell; runs without a finite z count nowhere. */
export function heat(x: Float64Array, y: Float64Array, z: Float64Array, onX: Axis, onY: Axis): Cell[] {
  const cells = new Map<number, Cell>()
  for (let i = 0; i < z.length; i++) {
    const value = z[i] ?? NaN
    const [a, b] = [onX.cell(x[i] ?? NaN), onY.cell(y[i] ?? NaN)]
    if (!Number.isFinite(value) || a < 0 || b < 0) continue
    const key = b * onX.labels.length + a
    const cell = cells.get(key) ?? { x: a, y: b, mean: 0, count: 0 }
    cell.count += 1
    cell.mean += (value - cell.mean) / cell.count
    cells.set(key, cell)
  }
  return [...cells.values()]
}
