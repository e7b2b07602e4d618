// How things in the trash are named and counted.

import type { TrashIds, TrashItem } from '../../api/types'
import { plural } from '../../design/format'

export const KIND_WORDS: Record<TrashItem['kind'], string> = {
  run: 'Run',
  logged_model: 'Logged model',
  experiment: 'Experiment',
}

export const keyOf = (item: TrashItem): string => `${item.kind}:${item.id}`

/** Ids as the server wants them. */
export function selectionOf(items: TrashItem[]): Required<TrashIds> {
  const ids = (kind: TrashItem['kind']) => items.filter((item) => item.kind === kind).map(({ id }) => id)
  return { run_ids: ids('run'), logged_model_ids: ids('logged_model'), experiment_ids: ids('experiment') }
}

/** `2 experiments, 1 run`. */
export function countWords(counts: { experiments: number; runs: number; logged_models: number }): string {
  const parts = [
    counts.experiments > 0 ? plural(counts.experiments, 'experiment') : '',
    counts.runs > 0 ? plural(counts.runs, 'run') : '',
    counts.logged_models > 0 ? plural(counts.logged_models, 'logged model') : '',
  ]
  return parts.filter(Boolean).join(', ') || 'nothing'
}

/** One thing by its name, several by their numbers. */
export function wordsOf(items: TrashItem[]): string {
  const [first] = items
  if (items.length === 1 && first) return `${KIND_WORDS[first.kind].toLowerCase()} ${first.name}`
  const { run_ids, logged_model_ids, experiment_ids } = selectionOf(items)
  return countWords({
    experiments: experiment_ids.length,
    runs: run_ids.length,
    logged_models: logged_model_ids.length,
  })
}
