// The lines of one chart: what the server sent, by run, and the questions a chart asks about it.

import type { SeriesEntry } from '../api/series'
import type { ChartRun } from './group.svelte'

export interface Line {
  runId: string
  name: string
  raw: SeriesEntry
  /** Present when smoothing is on. */
  smooth: SeriesEntry | null
}

export function toLines(runs: ChartRun[], entries: SeriesEntry[]): Line[] {
  const lines: (Line | undefined)[] = []
  for (const entry of entries) {
    const run = runs[entry.request]
    if (!run || entry.smoothed) continue
    lines[entry.request] = { ...run, raw: entry, smooth: null }
  }
  for (const entry of entries) {
    const line = lines[entry.request]
    if (line && entry.smoothed) line.smooth = entry
  }
  return lines.filter((line): line is Line => line !== undefined && line.raw.total > 0)
}

/** Index of the point nearest to `at`; -1 when there is none. */
export function nearest(xs: Float64Array, at: number): number {
  let low = 0
  let high = xs.length - 1
  if (high < 0) return -1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((xs[middle] ?? 0) < at) low = middle + 1
    else high = middle
  }
  const right = xs[low] ?? NaN
  const left = xs[low - 1]
  return left !== undefined && at - left < right - at ? low - 1 : low
}

export interface Limits {
  min: number
  max: number
}

export function xLimits(lines: Line[]): Limits | null {
  let min = Infinity
  let max = -Infinity
  for (const { raw } of lines) {
    if (raw.xMin < min) min = raw.xMin
    if (raw.xMax > max) max = raw.xMax
  }
  if (min > max) return null
  // A single step still needs an axis with some length.
  return min === max ? { min: min - 0.5, max: max + 0.5 } : { min, max }
}

/** Limits of what is drawn between two x, with some air; on a log axis only of what is above zero. */
export function yLimits(lines: Line[], from: number, to: number, log: boolean): Limits | null {
  let min = Infinity
  let max = -Infinity
  for (const { raw, smooth } of lines) {
    for (const entry of smooth ? [raw, smooth] : [raw]) {
      for (let i = 0; i < entry.x.length; i++) {
        const x = entry.x[i] ?? NaN
        const y = entry.y[i] ?? NaN
        if (x < from || x > to || !Number.isFinite(y) || (log && y <= 0)) continue
        if (y < min) min = y
        if (y > max) max = y
      }
    }
  }
  if (min > max) return null
  if (log) {
    const air = min === max ? 2 : (max / min) ** 0.05
    return { min: min / air, max: max * air }
  }
  const air = min === max ? Math.abs(min) * 0.1 || 1 : (max - min) * 0.06
  return { min: min - air, max: max + air }
}

export interface Reading {
  runId: string
  name: string
  x: number
  value: number
  /** The value before smoothing, when smoothing is on. */
  raw: number | null
}

/** The value of each line at `at`, highest first; lines that do not reach it within `slack` are left out. */
export function readings(lines: Line[], at: number, slack: number): Reading[] {
  const result: Reading[] = []
  for (const { runId, name, raw, smooth } of lines) {
    const i = nearest(raw.x, at)
    const first = raw.x[0]
    const last = raw.x[raw.x.length - 1]
    if (i < 0 || first === undefined || last === undefined) continue
    if (at < first - slack || at > last + slack) continue
    const x = raw.x[i] ?? NaN
    const j = smooth ? nearest(smooth.x, x) : -1
    result.push({
      runId,
      name,
      x,
      value: smooth && j >= 0 ? (smooth.y[j] ?? NaN) : (raw.y[i] ?? NaN),
      raw: smooth ? (raw.y[i] ?? NaN) : null,
    })
  }
  // NaN has no place in the order of values: it comes last.
  return result.sort((a, b) => (Number.isNaN(a.value) ? 1 : Number.isNaN(b.value) ? -1 : b.value - a.value))
}
