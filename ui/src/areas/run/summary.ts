// What is best about a metric, and how far two runs are apart in it.

import type { MetricSummary } from '../../api/types'
import { toNumber } from '../../design/format'

export interface Best {
  value: number
  step: number
  /** Which end of its values counts. */
  word: 'lowest' | 'highest'
}

const LOWER =
  /(^|[^a-z])(loss(es)?|err(or)?s?|mae|mse|rmse|mape|nll|ppl|perplexity|fid|wer|cer|logloss|brier|ece)([^a-z]|$)/i
const HIGHER =
  /(^|[^a-z])(acc(uracy)?|auc|auroc|auprc|f1|precision|recall|score|r2|map|bleu|rouge[a-z]?|iou|dice|reward|return)([^a-z]|$)/i

/** Which end is good, by the metric's name; null when it does not tell. */
export function directionOf(metric: string): 'lower' | 'higher' | null {
  if (metric.startsWith('system/')) return null
  const words = metric.replace(/([a-z0-9])([A-Z])/g, '$1 $2')
  return LOWER.test(words) ? 'lower' : HIGHER.test(words) ? 'higher' : null
}

export function bestOf(metric: MetricSummary): Best | null {
  const direction = directionOf(metric.key)
  const value = direction === 'lower' ? metric.min : direction === 'higher' ? metric.max : null
  const step = direction === 'lower' ? metric.min_step : metric.max_step
  if (value === null || value === undefined) return null
  return { value, step: step ?? 0, word: direction === 'lower' ? 'lowest' : 'highest' }
}

export interface Difference {
  by: number
  sign: '▲' | '▼'
  word: 'better' | 'worse' | 'higher' | 'lower'
}

/** Of the best values, or of the last ones where nobody knows which is good. */
export function difference(metric: MetricSummary, other: MetricSummary): Difference | null {
  const [mine, theirs] = [bestOf(metric), bestOf(other)]
  const by = mine && theirs ? mine.value - theirs.value : toNumber(metric.last) - toNumber(other.last)
  if (!Number.isFinite(by)) return null
  const up = by > 0
  const good = directionOf(metric.key)
  const word = good === null ? (up ? 'higher' : 'lower') : up === (good === 'higher') ? 'better' : 'worse'
  return { by, sign: up ? '▲' : '▼', word }
}
