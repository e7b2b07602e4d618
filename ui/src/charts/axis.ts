// Axes: tick texts, and ticks for a log axis that spans less than a decade.

import { byLetters } from '../design/order'
import { formatDate, formatDuration } from '../design/format'
import type { Axis } from '../runset/view'

const SECOND_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000,
]

export const relativeIncrements = SECOND_STEPS

/** Steps as 1.5k, 20k, 3M; small ones as they are. */
export function stepTick(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e9) return `${trim(value / 1e9)}G`
  if (size >= 1e6) return `${trim(value / 1e6)}M`
  if (size >= 1e4) return `${trim(value / 1e3)}k`
  return trim(value)
}

const trim = (value: number) => String(Number(value.toPrecision(6))).replace('-', '−')

export function relativeTick(seconds: number): string {
  if (seconds === 0) return '0'
  const size = Math.abs(seconds)
  if (size < 1) return `${trim(seconds * 1000)} ms`
  if (size < 60) return `${trim(seconds)} s`
  if (size < 3600) {
    const rest = Math.round(seconds % 60)
    return rest === 0
      ? `${Math.floor(seconds / 60)} m`
      : `${Math.floor(seconds / 60)}:${String(rest).padStart(2, '0')}`
  }
  const minutes = Math.round((seconds % 3600) / 60)
  return minutes === 0 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 3600)} h ${minutes} m`
}

/** Ticks of a value axis: as many digits as tell neighbours apart, the same for all of them. */
export function valueTicks(splits: number[]): string[] {
  const real = splits.filter((v) => v !== null)
  const step = real.length > 1 ? Math.min(...real.slice(1).map((v, i) => Math.abs(v - (real[i] ?? 0)))) : 1
  const largest = Math.max(...real.map(Math.abs), 0)
  if (largest >= 1e6 || (largest > 0 && largest < 1e-3)) {
    const digits = Math.max(0, Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step || largest)))
    return splits.map((v) => (v === 0 ? '0' : tidyExponent(v.toExponential(Math.min(digits, 4)))))
  }
  const decimals = decimalsOf(step || 1)
  return splits.map((v) => v.toFixed(decimals).replace('-', '−'))
}

/** The fewest decimals that write a step exactly. */
function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < 8; decimals++) {
    const scaled = step * 10 ** decimals
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals
  }
  return 8
}

function tidyExponent(text: string): string {
  const [mantissa = '', exponent = '0'] = text.split('e')
  return `${mantissa.replace(/\.0+$/, '')}e${Number(exponent)}`.replace(/^-/, '−')
}

/** Whole decades, with 2 and 5 between when there are few; plain round steps within one decade. */
export function logSplits(min: number, max: number): number[] {
  const decades = Math.log10(max / min)
  if (decades < 1) {
    const most = (max - min) / 3
    const power = 10 ** Math.floor(Math.log10(most))
    const step = [5, 2, 1].map((m) => m * power).find((s) => s <= most) ?? power
    const splits: number[] = []
    for (let v = Math.ceil(min / step - 1e-9) * step; v <= max; v += step)
      splits.push(Number(v.toPrecision(12)))
    return splits
  }
  const factors = decades < 3 ? [1, 2, 5] : [1]
  const every = Math.max(1, Math.ceil(decades / 7))
  const splits: number[] = []
  for (
    let exponent = Math.floor(Math.log10(min));
    exponent <= Math.ceil(Math.log10(max));
    exponent += every
  ) {
    for (const factor of factors) {
      const v = Number((factor * 10 ** exponent).toPrecision(6))
      if (v >= min && v <= max) splits.push(v)
    }
  }
  return splits
}

/** A symmetric logarithmic axis is straight this many times below its far end. */
const SYMLOG_SPAN = 1000

/** Where it bends: near zero it is straight. */
export const symlogBend = (min: number, max: number): number =>
  Math.max(Math.abs(min), Math.abs(max)) / SYMLOG_SPAN || 1

/** Zero, and powers of ten on both sides of it. */
export function symlogSplits(min: number, max: number): number[] {
  const [first, last] = [
    Math.ceil(Math.log10(symlogBend(min, max))),
    Math.floor(Math.log10(Math.max(Math.abs(min), Math.abs(max)))),
  ]
  const splits = [0]
  for (let exponent = first; exponent <= last; exponent++) {
    const v = Number((10 ** exponent).toPrecision(6))
    splits.push(v, -v)
  }
  return splits.filter((v) => v >= min && v <= max).sort((a, b) => a - b)
}

export const symlogTick = (value: number): string =>
  value === 0 ? '0' : (value < 0 ? '−' : '') + logTick(Math.abs(value))

export function logTick(value: number): string {
  if (value >= 1e-3 && value < 1e5) return String(Number(value.toPrecision(6)))
  return tidyExponent(value.toExponential())
}

export function xText(axis: Axis, value: number): string {
  if (axis === 'time') return formatDate(value)
  if (axis === 'relative') return formatDuration(value * 1000)
  const digits = new Intl.NumberFormat('en-US', { maximumFractionDigits: axis === 'step' ? 0 : 4 })
  return `${axisLabel(axis)} ${digits.format(value)}`
}

const LABELS = { step: 'step', time: 'wall time', relative: 'relative time' }

export const axisLabel = (axis: Axis): string => (typeof axis === 'string' ? LABELS[axis] : axis.metric)

/** What counts how far a training is, best known first. */
const PROGRESS = [
  /(^|[\W_])epochs?$/i,
  /(^|[\W_])tokens?(_?seen)?$/i,
  /(samples?|examples?|images)(_?seen)?$/i,
  /step$/i,
]

/** Metrics for the x axis: what looks like progress first, then the rest by name. */
export function axisMetrics(metrics: { key: string; is_curve: boolean }[]): {
  likely: string[]
  others: string[]
} {
  const keys = metrics.filter((metric) => metric.is_curve).map((metric) => metric.key)
  const rank = (key: string) => PROGRESS.findIndex((pattern) => pattern.test(key))
  const likely = keys
    .filter((key) => rank(key) >= 0)
    .sort((a, b) => rank(a) - rank(b) || a.length - b.length || byLetters(a, b))
  return { likely, others: keys.filter((key) => rank(key) < 0).sort(byLetters) }
}

/** The axes that the key X goes through. */
export function axisCycle(metrics: { key: string; is_curve: boolean }[]): Axis[] {
  const { likely } = axisMetrics(metrics)
  return ['step', 'time', 'relative', ...likely.slice(0, 2).map((metric) => ({ metric }))]
}
