// Names of columns, and which ones a table starts with.

import type { ColumnInfo, ColumnRef } from '../api/types'
import { bestReduce } from './directions'
import { defaultWidth, type Column, type Direction } from './view'
import { byLetters } from '../design/order'

const ATTRIBUTES: Record<string, string> = {
  state: 'State',
  start_ms: 'Created',
  end_ms: 'Ended',
  duration_ms: 'Duration',
  user: 'User',
  experiment: 'Experiment',
  source: 'Source',
  run_id: 'Run ID',
  note: 'Notes',
  name: 'Name',
}

export const ATTRIBUTE_KEYS = [
  'state',
  'start_ms',
  'duration_ms',
  'end_ms',
  'user',
  'experiment',
  'source',
  'run_id',
  'note',
]

export function columnLabel(ref: ColumnRef): string {
  return ref.kind === 'attribute' ? (ATTRIBUTES[ref.key] ?? ref.key) : ref.key
}

export const sameColumn = (a: ColumnRef, b: ColumnRef): boolean => a.kind === b.kind && a.key === b.key

/** One column may be shown with several reducers, so they count here. */
export const columnId = (ref: ColumnRef): string =>
  `${ref.kind}:${ref.key}:${ref.kind === 'metric' ? (ref.reduce ?? 'last') : ''}${ref.step ?? ''}`

const MOST_METRICS = 6
const MOST_PARAMS = 5

/** What people compare runs by comes before what only describes the training. */
function worth(metric: string): number {
  if (/(^|[^a-z])(val|valid|validation|eval|dev)([^a-z]|$)/i.test(metric)) return 3
  if (/(^|[^a-z])(best|test)([^a-z]|$)/i.test(metric)) return 2
  if (
    /(^|[^a-z])(loss|acc|accuracy|auc|f1|score|precision|recall|reward|mae|mse|rmse|r2)([^a-z]|$)/i.test(
      metric,
    )
  )
    return 1
  return 0
}

/** The state, the metrics that most runs have at their best, and the params in which they differ. */
export function automaticColumns(
  known: ColumnInfo[],
  manyExperiments: boolean,
  directions: Record<string, Direction> = {},
): Column[] {
  const refs: ColumnRef[] = [
    { kind: 'attribute', key: 'state' },
    { kind: 'attribute', key: 'start_ms' },
  ]
  const byUse = (a: ColumnInfo, b: ColumnInfo) => b.run_count - a.run_count || byLetters(a.key, b.key)
  const metrics = known.filter((column) => column.kind === 'metric' && !column.key.startsWith('system/'))
  const byWorth = (a: ColumnInfo, b: ColumnInfo) => worth(b.key) - worth(a.key) || byUse(a, b)
  for (const { key } of metrics.sort(byWorth).slice(0, MOST_METRICS))
    refs.push({ kind: 'metric', key, reduce: bestReduce(key, directions) ?? 'last' })
  const params = known.filter((column) => column.kind === 'param' && column.varies)
  for (const { key } of params.sort(byUse).slice(0, MOST_PARAMS)) refs.push({ kind: 'param', key })
  refs.push({ kind: 'attribute', key: 'duration_ms' })
  if (manyExperiments) refs.push({ kind: 'attribute', key: 'experiment' })
  return refs.map((ref) => ({ ref, width: defaultWidth(ref), pinned: false }))
}

/** More columns than anybody reads, and fewer than a table can have. */
const MOST_DIFFERING = 400

/**
 * The columns in which runs differ: of those that somebody chose, or, where nobody did, every param and metric besides
 * the run's own.
 */
export function differingColumns(
  columns: Column[],
  differing: ColumnRef[],
  automatic: boolean,
  directions: Record<string, Direction> = {},
): Column[] {
  const ids = new Set(differing.map((ref) => `${ref.kind}:${ref.key}`))
  const kept = columns.filter(({ ref }) => ids.has(`${ref.kind}:${ref.key}`))
  if (!automatic) return kept
  const added = differing
    .filter(({ kind }) => kind === 'param' || kind === 'metric')
    .filter((ref) => !kept.some((column) => sameColumn(column.ref, ref)))
    .map((ref): ColumnRef => {
      if (ref.kind !== 'metric') return { kind: ref.kind, key: ref.key }
      return { kind: 'metric', key: ref.key, reduce: bestReduce(ref.key, directions) ?? 'last' }
    })
  const more = added.map((ref) => ({ ref, width: defaultWidth(ref), pinned: false }))
  return [...kept, ...more].slice(0, MOST_DIFFERING)
}
