// Histograms as lines and in words.

import { formatNumber } from '../../design/format'

export interface Histogram {
  kind: 'histogram'
  edges: number[]
  counts: number[]
}

/** The corners of the bars, from the floor and back to it. */
export function outline({ edges, counts }: Histogram): [number, number][] {
  const points: [number, number][] = [[edges[0] ?? 0, 0]]
  counts.forEach((count, i) => points.push([edges[i] ?? 0, count], [edges[i + 1] ?? 0, count]))
  points.push([edges[edges.length - 1] ?? 0, 0])
  return points
}

export function describeCounts({ edges, counts }: Histogram): string {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const top = counts.indexOf(Math.max(...counts))
  return (
    `${formatNumber(all)} values from ${formatNumber(edges[0] ?? NaN)} to ${formatNumber(edges[edges.length - 1] ?? NaN)}, ` +
    `most between ${formatNumber(edges[top] ?? NaN)} and ${formatNumber(edges[top + 1] ?? NaN)}`
  )
}
