// Which end of a metric is the good one: what somebody said, or else what its name suggests.

import type { CellValue, ColumnRef, Reduce } from '../api/types'
import { formatNumber } from '../design/format'
import type { Direction } from './view'

const LOWER = new Set([
  ...[
    'loss',
    'losses',
    'err',
    'error',
    'errors',
    'mae',
    'mse',
    'rmse',
    'rmsle',
    'mape',
    'smape',
    'wer',
    'cer',
  ],
  ...[
    'per',
    'fid',
    'kid',
    'nll',
    'bpb',
    'bpc',
    'ppl',
    'perplexity',
    'logloss',
    'crossentropy',
    'entropy',
    'ece',
  ],
  ...[
    'brier',
    'eer',
    'fpr',
    'fnr',
    'latency',
    'lpips',
    'kl',
    'kld',
    'cost',
    'regret',
    'hamming',
    'miss',
    'hinge',
  ],
  ...['distance', 'divergence', 'deviance', 'aic', 'bic', 'ter', 'residual', 'duration', 'seconds', 'ms'],
])
const HIGHER = new Set([
  ...[
    'acc',
    'accuracy',
    'auc',
    'auroc',
    'auprc',
    'aucpr',
    'roc',
    'f1',
    'fbeta',
    'f2',
    'precision',
    'recall',
    'ap',
  ],
  ...[
    'map',
    'ndcg',
    'mrr',
    'hit',
    'hits',
    'iou',
    'miou',
    'dice',
    'jaccard',
    'bleu',
    'rouge',
    'meteor',
    'cider',
  ],
  ...[
    'score',
    'r2',
    'reward',
    'return',
    'returns',
    'psnr',
    'ssim',
    'tpr',
    'tnr',
    'sensitivity',
    'specificity',
  ],
  ...['mcc', 'kappa', 'correlation', 'pearson', 'spearman', 'top1', 'top5', 'throughput', 'win', 'winrate'],
  ...['success', 'gini', 'likelihood', 'correct', 'exact', 'em', 'pass', 'explained'],
])

/** Guesses by the words in a name, the last of them first: `val/loss`, `f1_macro`, `top-5 accuracy`, `valLoss`. */
export function guessDirection(metric: string): Direction | null {
  if (/^system\//.test(metric)) return null
  const words = metric
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean)
  const negative = words.includes('neg') || words.includes('negative')
  for (const word of words.reverse()) {
    // `log_likelihood` grows, `logloss` falls; `neg_…` turns either round.
    const found = LOWER.has(word) ? 'lower' : HIGHER.has(word) ? 'higher' : byEnding(word)
    if (found) return negative ? opposite(found) : found
  }
  return null
}

function byEnding(word: string): Direction | null {
  if (/(loss|error|err|rmse|mae|mse)$/.test(word)) return 'lower'
  if (/(acc|accuracy|auc|score)$/.test(word)) return 'higher'
  return null
}

export const opposite = (direction: Direction): Direction => (direction === 'lower' ? 'higher' : 'lower')

export function directionOf(metric: string, said: Record<string, Direction>): Direction | null {
  return Object.hasOwn(said, metric) ? (said[metric] ?? null) : guessDirection(metric)
}

/** The reducer that gives the best value of a history; null when nobody knows what is good. */
export function bestReduce(metric: string, said: Record<string, Direction>): Reduce | null {
  const direction = directionOf(metric, said)
  return direction === null ? null : direction === 'lower' ? 'min' : 'max'
}

/** What a filter by `.best` has to be told: which end is good where somebody said it. */
export function bestEnds(filter: string, said: Record<string, Direction>): { best?: Record<string, Reduce> } {
  const ends = Object.entries(said).map(([metric, direction]) => [
    metric,
    direction === 'lower' ? ('min' as const) : ('max' as const),
  ])
  return ends.length > 0 && filter.includes('.best') ? { best: Object.fromEntries(ends) } : {}
}

/** The column shows each run's best value. */
export function isBest(ref: ColumnRef, said: Record<string, Direction>): boolean {
  return ref.kind === 'metric' && ref.reduce === bestReduce(ref.key, said)
}

export interface Delta {
  /** `▼ 0.006` */
  text: string
  /** `0.006 lower than the baseline, better` */
  words: string
  verdict: 'better' | 'worse' | 'same' | 'other'
}

/** How a value stands to the baseline's. Null where one of them is not a finite number. */
export function delta(
  value: CellValue | null | undefined,
  base: CellValue | null | undefined,
  direction: Direction | null,
): Delta | null {
  if (typeof value !== 'number' || typeof base !== 'number') return null
  const by = value - base
  if (by === 0) return { text: '= 0', words: 'the same as the baseline', verdict: 'same' }
  // Three digits are enough to tell how far apart two values are.
  const size = formatNumber(Number(Math.abs(by).toPrecision(3)))
  const words = `${size} ${by > 0 ? 'higher' : 'lower'} than the baseline`
  const text = `${by > 0 ? '▲' : '▼'} ${size}`
  if (direction === null) return { text, words, verdict: 'other' }
  const better = by > 0 === (direction === 'higher')
  return { text, words: `${words}, ${better ? 'better' : 'worse'}`, verdict: better ? 'better' : 'worse' }
}
