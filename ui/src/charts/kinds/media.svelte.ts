// What visible runs logged besides numbers, side by side: keys, steps, and what a run has at a step.

import { api } from '../../api/client'
import type { MediaItem, MediaKind } from '../../api/types'
import type { PanelSet } from '../panels'
import { Asked } from './asked.svelte'
import { byNumbers } from '../../design/order'

/** Runs that are looked through: their files are read one by one. */
export const MOST_MEDIA_RUNS = 50

export interface RunItems {
  runId: string
  name: string
  items: MediaItem[]
}

export interface Media {
  runs: RunItems[]
  /** What was passed over, with the run it was in. */
  notes: string[]
}

export function askMedia(set: () => PanelSet, kind: MediaKind): Asked<Media> {
  const runs = () => set().runs.slice(0, MOST_MEDIA_RUNS)
  return new Asked(
    () => JSON.stringify(runs()),
    async (signal) => {
      const wanted = runs()
      if (wanted.length === 0) return { runs: [], notes: [] }
      const found = await api.media(
        wanted.map((run) => run.runId),
        kind,
        signal,
      )
      const names = new Map(wanted.map((run) => [run.runId, run.name]))
      const nameOf = (id: string) => names.get(id) ?? id
      return {
        runs: found.runs.map((run) => ({ runId: run.run_id, name: nameOf(run.run_id), items: run.items })),
        notes: found.runs.flatMap((run) => run.notes.map((note) => `${nameOf(run.run_id)}: ${note}`)),
      }
    },
    () => set().query.experiment_ids ?? [],
  )
}

/** The end of a summary: what was passed over. */
export function notesOf(media: Media | null): string {
  return media && media.notes.length > 0 ? ` · ${media.notes.join(' ')}` : ''
}

/** What things are called, those that most runs have first. */
export function keysOf(runs: readonly RunItems[], fits: (item: MediaItem) => boolean = () => true): string[] {
  const uses = new Map<string, number>()
  for (const run of runs)
    for (const key of new Set(run.items.filter(fits).map((item) => item.key)))
      uses.set(key, (uses.get(key) ?? 0) + 1)
  return [...uses].sort((a, b) => b[1] - a[1] || byNumbers(a[0], b[0])).map(([key]) => key)
}

export function stepsOf(runs: readonly RunItems[], keys: readonly string[]): number[] {
  const steps = new Set<number>()
  for (const run of runs)
    for (const item of run.items)
      if (keys.includes(item.key) && item.step !== undefined && item.step !== null) steps.add(item.step)
  return [...steps].sort((a, b) => a - b)
}

/** What a run has of a key at a step: the last thing that was logged by then. What has no step is there at all. */
export function itemAt(run: RunItems, key: string, step: number): MediaItem | null {
  let best: MediaItem | null = null
  for (const item of run.items) {
    if (item.key !== key) continue
    const at = item.step ?? -Infinity
    if (at <= step && at >= (best?.step ?? -Infinity)) best = item
  }
  return best
}
