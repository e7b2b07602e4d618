// What gives runs their colours in this view: their own wish, a value, or nothing but their ids.

import { untrack } from 'svelte'
import { api } from '../../api/client'
import type { CellValue, ColumnRef } from '../../api/types'
import { giveLooks, spreadLooks, type RunLook } from '../../design/colors'
import { givenLook, scaleOf, Slots, type Scale } from './colouring'
import type { RunsModel } from './model.svelte'

const COLOUR_TAG: ColumnRef = { kind: 'tag', key: 'slipway.color' }
/** Enough that some of them are finite numbers. */
const ENDS = 20

export class Colour {
  scale = $state.raw<Scale | null>(null)
  private slots = $state.raw<Slots | null>(null)

  constructor(private readonly model: RunsModel) {}

  /** What must be known of each run, in the order that `lookOf` expects. */
  extras = $derived.by((): ColumnRef[] => {
    const by = this.model.view.colour
    return by ? [COLOUR_TAG, by] : [COLOUR_TAG]
  })

  /** Values of the column that gives colours are numbers. */
  numeric = $derived.by(() => {
    const by = this.model.view.colour
    if (!by) return false
    if (by.kind === 'metric') return true
    if (by.kind === 'attribute') return ['start_ms', 'end_ms', 'duration_ms'].includes(by.key)
    return this.model.known.some((known) => known.kind === by.kind && known.key === by.key && known.numeric)
  })

  lookOf(runId: string, extras: (CellValue | null)[]): RunLook | null {
    return givenLook(runId, extras[0], extras[1], this.numeric ? this.scale : null, this.slots)
  }

  /** Must be called while a component is made. */
  start(): void {
    $effect(() => {
      const { spread } = this.model.view
      untrack(() => spreadLooks(spread))
    })
    $effect(() => {
      const { visible } = this.model.charts
      const looks = new Map<string, RunLook>()
      for (const row of visible) {
        const look = this.lookOf(row.run_id, this.model.charts.extrasOf(row))
        if (look) looks.set(row.run_id, look)
      }
      untrack(() => giveLooks(looks))
    })
    $effect(() => {
      const { colour, experiments, trash } = this.model.view
      const [by, numeric] = [colour && JSON.stringify(colour), this.numeric]
      this.slots = by && !numeric ? new Slots() : null
      if (by && numeric) void this.findEnds(JSON.parse(by) as ColumnRef, [...experiments], trash)
      else this.scale = null
    })
    $effect(() => () => {
      spreadLooks([])
      giveLooks(new Map())
    })
  }

  /** The scale goes over all runs in scope, so that a filter does not deal the colours anew. */
  private async findEnds(column: ColumnRef, experiment_ids: string[], trash: boolean): Promise<void> {
    const end = async (descending: boolean) => {
      const { rows } = await api.table({
        experiment_ids,
        view: trash ? 'deleted' : 'active',
        order_by: [{ column, descending }],
        columns: [column],
        shape: { kind: 'flat' },
        limit: ENDS,
      })
      return rows.map((row) => row.cells[0])
    }
    try {
      const [low, high] = await Promise.all([end(false), end(true)])
      this.scale = scaleOf([...low, ...high])
    } catch {
      this.scale = null
    }
  }
}
