// The lines of one chart: what the server sent, by run, and the questions a chart asks about it.

import type { SeriesEntry } from '../api/series'
import { symlogBend } from './axis'
import type { Target } from './plan'

export interface Line extends Target {
  /** Of one chart, no two lines share it. */
  id: string
  raw: SeriesEntry
  /** Present when smoothing is on. */
  smooth: SeriesEntry | null
  /** Edges of a group's band. */
  low: SeriesEntry | null
  high: SeriesEntry | null
  /** How many runs of a group count, at the points of its line. */
  counts: SeriesEntry | null
}

/** Where the y axis ends when outliers are left out of the picture. */
export interface Fences {
  low: number
  high: number
  /** Points beyond. */
  beyond: number
}

export interface Answer {
  lines: Line[]
  fences: Fences | null
  /** Names of runs that have the metric, but not the one that is the x axis. */
  lacking: string[]
  /** A first picture: not yet every pixel column's own points. */
  rough: boolean
}

export const NO_ANSWER: Answer = { lines: [], fences: null, lacking: [], rough: false }

export function toLines(targets: Target[], entries: SeriesEntry[], rough = false): Answer {
  const lines: (Line | undefined)[] = []
  const answer: Answer = { lines: [], fences: null, lacking: [], rough }
  for (const entry of entries) {
    if (entry.role === 'fences') {
      answer.fences = { low: entry.y[0] ?? NaN, high: entry.y[1] ?? NaN, beyond: entry.total }
      continue
    }
    const target = targets[entry.request]
    if (!target || entry.role !== 'raw') continue
    if (entry.lacksX) answer.lacking.push(target.name)
    lines[entry.request] = {
      ...target,
      id: String(entry.request),
      raw: entry,
      smooth: null,
      low: null,
      high: null,
      counts: null,
    }
  }
  for (const entry of entries) {
    const line = entry.role === 'fences' ? undefined : lines[entry.request]
    if (!line || entry.role === 'raw') continue
    if (entry.role === 'smooth') line.smooth = entry
    else if (entry.role === 'low') line.low = entry
    else if (entry.role === 'high') line.high = entry
    else if (entry.role === 'members') line.counts = entry
  }
  answer.lines = lines.filter((line): line is Line => line !== undefined && line.raw.total > 0)
  return answer
}

export interface LivePoint {
  key: string
  step: number
  value: number
}

/**
 * The same lines with points that a run has just logged, where these come after all others; null when none of them is
 * for a line here. Only for lines over steps that show what was logged, and not an average of it.
 */
export function withLive(lines: Line[], runId: string, points: LivePoint[]): Line[] | null {
  let changed = false
  const next = lines.map((line) => {
    if (line.kind !== 'run' || line.runId !== runId || line.smooth) return line
    const { raw } = line
    const fresh = points
      .filter(({ key, step }) => key === line.metric && step > raw.xMax)
      .sort((a, b) => a.step - b.step)
    if (fresh.length === 0) return line
    changed = true
    const values = fresh.map(({ value }) => value)
    const finite = values.filter(Number.isFinite)
    return {
      ...line,
      raw: {
        ...raw,
        total: raw.total + fresh.length,
        nonFinite: raw.nonFinite + values.length - finite.length,
        xMax: fresh.at(-1)?.step ?? raw.xMax,
        // NaN where nothing was finite so far.
        yMin: finite.reduce((low, value) => (value >= low ? low : value), raw.yMin),
        yMax: finite.reduce((high, value) => (value <= high ? high : value), raw.yMax),
        x: Float64Array.of(...raw.x, ...fresh.map(({ step }) => step)),
        y: Float64Array.of(...raw.y, ...values),
      },
    }
  })
  return changed ? next : null
}

/** Whether a line lights up when this run or group is pointed at. */
export const isHovered = (line: Target, hovered: string | null): boolean =>
  hovered !== null && (line.runId === hovered || line.members.includes(hovered))

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

/** Limits of all lines; on a log axis only of what is above zero. */
export function xLimits(lines: Line[], log = false): Limits | null {
  let min = Infinity
  let max = -Infinity
  for (const { raw } of lines) {
    const first = log && raw.xMin <= 0 ? (raw.x.find((x) => x > 0) ?? Infinity) : raw.xMin
    if (first < min) min = first
    if (raw.xMax > max) max = raw.xMax
  }
  if (min > max) return null
  // A single step still needs an axis with some length.
  if (min === max) return log ? { min: min / 2, max: max * 2 } : { min: min - 0.5, max: max + 0.5 }
  return { min, max }
}

/** Index of the first x that is not below a place. */
export function firstFrom(xs: Float64Array, place: number): number {
  let low = 0
  let high = xs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((xs[middle] ?? NaN) >= place) high = middle
    else low = middle + 1
  }
  return low
}

export interface YOptions {
  log: boolean
  symlog?: boolean
  /** The unsmoothed lines are drawn, too. */
  faint: boolean
  fences: Fences | null
}

/** Limits of what is drawn between two x, with some air; on a log axis only of what is above zero. */
export function yLimits(lines: Line[], from: number, to: number, options: YOptions): Limits | null {
  const { log, faint, fences } = options
  let min = Infinity
  let max = -Infinity
  const take = (entry: SeriesEntry) => {
    const { x: xs, y: ys } = entry
    const count = xs.length
    if (!log && count > 0 && (xs[0] ?? NaN) >= from && (xs[count - 1] ?? NaN) <= to) {
      // All of it: the server has looked already.
      if (entry.yMin < min) min = entry.yMin
      if (entry.yMax > max) max = entry.yMax
      return
    }
    for (let i = firstFrom(xs, from); i < count; i++) {
      const y = ys[i] ?? NaN
      if ((xs[i] ?? NaN) > to) break
      if (!Number.isFinite(y) || (log && y <= 0)) continue
      if (y < min) min = y
      if (y > max) max = y
    }
  }
  for (const { raw, smooth, low, high } of lines) {
    if (!smooth || faint) take(raw)
    for (const entry of [smooth, low, high]) if (entry) take(entry)
  }
  if (min > max) return null
  if (fences) {
    const [low, high] = [Math.max(min, fences.low), Math.min(max, fences.high)]
    if (low <= high) [min, max] = [low, high]
  }
  if (log) {
    const air = min === max ? 2 : (max / min) ** 0.05
    return { min: min / air, max: max * air }
  }
  if (options.symlog && min < max) {
    const bend = symlogBend(min, max)
    const [low, high] = [Math.asinh(min / bend), Math.asinh(max / bend)]
    const air = (high - low) * 0.05
    return { min: Math.sinh(low - air) * bend, max: Math.sinh(high + air) * bend }
  }
  const air = min === max ? Math.abs(min) * 0.1 || 1 : (max - min) * 0.06
  return { min: min - air, max: max + air }
}

export interface Reading {
  line: Line
  x: number
  value: number
  /** The value before smoothing, when smoothing is on. */
  raw: number | null
  /** Runs that count, for a group. */
  count: number | null
}

/** The value of each line at `at`, highest first; lines that do not reach it within `slack` are left out. */
export function readings(lines: Line[], at: number, slack: number): Reading[] {
  const result: Reading[] = []
  for (const line of lines) {
    const { raw, smooth, counts } = line
    const i = nearest(raw.x, at)
    const first = raw.x[0]
    const last = raw.x[raw.x.length - 1]
    if (i < 0 || first === undefined || last === undefined) continue
    if (at < first - slack || at > last + slack) continue
    const x = raw.x[i] ?? NaN
    const j = smooth ? nearest(smooth.x, x) : -1
    const k = counts ? nearest(counts.x, x) : -1
    result.push({
      line,
      x,
      value: smooth && j >= 0 ? (smooth.y[j] ?? NaN) : (raw.y[i] ?? NaN),
      raw: smooth ? (raw.y[i] ?? NaN) : null,
      count: counts && k >= 0 ? (counts.y[k] ?? null) : null,
    })
  }
  // NaN has no place in the order of values: it comes last.
  return result.sort((a, b) => (Number.isNaN(a.value) ? 1 : Number.isNaN(b.value) ? -1 : b.value - a.value))
}

/** The first point of any line that is not finite, among those in the range. */
export function firstOdd(lines: Line[]): { name: string; x: number; value: number } | null {
  let first: { name: string; x: number; value: number } | null = null
  for (const { name, raw } of lines) {
    const i = raw.nonFinite > 0 ? raw.y.findIndex((y) => !Number.isFinite(y)) : -1
    const x = raw.x[i]
    if (x !== undefined && (!first || x < first.x)) first = { name, x, value: raw.y[i] ?? NaN }
  }
  return first
}
