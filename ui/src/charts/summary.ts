// A chart in one sentence, for screen readers.

import { formatNumber, plural } from '../design/format'
import type { Line } from './lines'

interface Extreme {
  name: string
  x: number
  value: number
}

function lowest(lines: Line[], sign: 1 | -1): Extreme | null {
  let best: Extreme | null = null
  for (const { name, raw } of lines) {
    for (let i = 0; i < raw.y.length; i++) {
      const value = raw.y[i] ?? NaN
      if (!Number.isFinite(value)) continue
      if (!best || sign * value < sign * best.value) best = { name, x: raw.x[i] ?? NaN, value }
    }
  }
  return best
}

/** Whether most lines end lower or higher than they begin. */
function trend(lines: Line[]): string {
  let falling = 0
  let rising = 0
  for (const { raw } of lines) {
    const finite = raw.y.filter(Number.isFinite)
    const first = finite[0]
    const last = finite[finite.length - 1]
    if (first === undefined || last === undefined || first === last) continue
    if (last < first) falling += 1
    else rising += 1
  }
  if (falling > rising) return ', mostly falling'
  return rising > falling ? ', mostly rising' : ''
}

export function summarise(metric: string, lines: Line[]): string {
  if (lines.length === 0) return `${metric}: nothing to show`
  const low = lowest(lines, 1)
  const high = lowest(lines, -1)
  const odd = lines.filter((line) => line.raw.nonFinite > 0).length
  return (
    `${metric}, ${plural(lines.length, lines.some((line) => line.kind === 'group') ? 'line' : 'run')}` +
    (low ? `, lowest ${low.name} ${formatNumber(low.value)} at ${formatNumber(low.x)}` : '') +
    (high ? `, highest ${high.name} ${formatNumber(high.value)} at ${formatNumber(high.x)}` : '') +
    trend(lines) +
    (odd ? `, ${plural(odd, 'run has', 'runs have')} values that are not finite` : '')
  )
}
