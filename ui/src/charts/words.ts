// What the choices about lines are called.

import type { Aggregate, Band, Smoothing } from '../runset/view'

/** With what each kind of smoothing computes. `w` is the number beside it, `n = (1 + w) / (1 - w)` points. */
export const SMOOTHINGS: Record<Smoothing, { label: string; about: string }> = {
  ema: {
    label: 'EMA',
    about:
      'Exponential moving average without the bias of its start: s = w·s + (1 − w)·y, shown as s / (1 − wⁿ)',
  },
  time_ema: {
    label: 'Time-weighted EMA',
    about: 'The past weighs w^(Δx / mean Δx), so that uneven steps count by their distance',
  },
  gaussian: { label: 'Gaussian', about: 'Normal weights with σ = √((n² − 1) / 12) points, up to 3σ' },
  running: { label: 'Running mean', about: 'Mean of the n points around each point' },
  median: { label: 'Median', about: 'Median of the n points around each point' },
}

export const AGGREGATES: Record<Aggregate, string> = {
  mean: 'mean',
  median: 'median',
  min: 'min',
  max: 'max',
}

export const BANDS: Record<Band, string> = {
  none: 'no band',
  minmax: 'min to max',
  std: '± std',
  stderr: '± std error',
  ci95: '95 % CI',
}

/** The entries of a record as pairs with the key's own type. */
export function choices<K extends string, V>(record: Record<K, V>): [K, V][] {
  return Object.entries(record) as [K, V][]
}
