// A chart in one sentence, for screen readers.

import { formatNumber, plural } from '../design/format'
import type { Line } from './lines'

interface Extreme {
  name: string
  x: number
  value: number
}

/** The lowest point of all lines, or the highest for a sign of -1. The server has said how far each line reaches. */
function lowest(lines: Line[], sign: 1 | -1): Extreme | null {
  const reach = ({ raw }: Line) => sign * (sign > 0 ? raw.yMin : raw.yMax)
  let best: Line | null = null
  for (const line of lines) {
    if (!Number.isNaN(reach(line)) && (!best || reach(line) < reach(best))) best = line
  }
  if (!best) return null
  const { name, raw } = best
  const value = sign > 0 ? raw.yMin : raw.yMax
  return { name, x: raw.x[raw.y.indexOf(value)] ?? NaN, value }
}

/** Whether most lines end lower or higher than they begin. */
function trend(lines: Line[]): string {
  let falling = 0
  let rising = 0
  for (const { raw } of lines) {
    const first = raw.y.find(Number.isFinite)
    const last = raw.y.findLast(Number.isFinite)
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
