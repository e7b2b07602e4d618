// What a plot draws: asked for when the question changes, and again when runs do.

import { untrack } from 'svelte'
import { api, describe, isAbort } from '../../api/client'
import { live } from '../../api/live.svelte'
import { withoutRuns, type Matrix } from '../../api/matrix'
import type { ColumnRef, TableRequest } from '../../api/types'
import { throttle } from '../../app/throttle'
import type { PanelSet } from '../panels'

const REFETCH_MS = 2000

/** An answer, asked for again when its question or the runs change. */
export class Asked<T> {
  value = $state.raw<T | null>(null)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)
  loading = $state(true)
  private again = $state(0)

  /** To be made while a component is: `question` is what the answer depends on, null asks nothing. */
  constructor(
    question: () => string | null,
    ask: (signal: AbortSignal) => Promise<T>,
    scope: () => readonly string[],
  ) {
    const refresh = throttle(() => (this.again += 1), REFETCH_MS)
    $effect(() =>
      live.on((event) => {
        const experiments = scope()
        if (event.type === 'reset') refresh()
        else if (
          (event.type === 'runs' || event.type === 'metrics') &&
          (experiments.length === 0 || experiments.includes(event.experiment_id))
        )
          refresh()
      }),
    )
    // An equal question is not asked again because an object behind it was made anew.
    const text = $derived(question())
    $effect(() => {
      void this.again
      if (text === null) {
        this.loading = false
        this.value = null
        return
      }
      const abort = new AbortController()
      untrack(() => void this.load(ask, abort.signal))
      return () => abort.abort()
    })
  }

  private async load(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<void> {
    try {
      const value = await ask(signal)
      if (signal.aborted) return
      this.value = value
      this.problem = null
    } catch (error) {
      if (isAbort(error) || signal.aborted) return
      this.problem = describe(error)
    }
    this.loading = false
  }

  retry = (): void => {
    this.problem = null
    this.loading = true
    this.again += 1
  }
}

/** Values of columns for the runs of the set, without those that are hidden. */
export function askMatrix(set: () => PanelSet, columns: () => ColumnRef[], limit: number): Asked<Matrix> {
  const request = (): TableRequest => ({ ...set().query, columns: columns(), limit, offset: 0 })
  return new Asked(
    () => (columns().length === 0 ? null : JSON.stringify([request(), set().view.hidden])),
    async (signal) => withoutRuns(await api.matrix(request(), signal), new Set(set().view.hidden)),
    () => set().query.experiment_ids ?? [],
  )
}
