// Shading of metric columns: how good a value is among those of the runs that match, from nothing to the best.

import { api } from '../../api/client'
import type { CellValue, ColumnRef, TableRequest } from '../../api/types'
import { columnId } from '../../runset/columns'
import type { Direction } from '../../runset/view'
import type { RunsModel } from './model.svelte'

/** Columns that are shaded at most; the server sums up no more at once. */
const MOST = 200
/** No run has it, so that all of them make one group: its cells are the ends of all values. */
const NOBODY: ColumnRef = { kind: 'tag', key: 'slipway.no-such-tag' }

interface Ends {
  low: number
  high: number
}

/** 0 to 1: how far a value is on the way to the good end; the high end where nobody knows which one is good. */
export function goodness(
  value: CellValue | null | undefined,
  ends: Ends,
  direction: Direction | null,
): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || ends.high <= ends.low) return 0
  const part = Math.min(1, Math.max(0, (value - ends.low) / (ends.high - ends.low)))
  return direction === 'lower' ? 1 - part : part
}

export class Heat {
  private ends = $state.raw(new Map<string, Ends>())

  constructor(private readonly model: RunsModel) {}

  private question = $derived.by(() => {
    if (!this.model.view.heat) return null
    const columns = this.model.shownColumns.map(({ ref }) => ref).filter(({ kind }) => kind === 'metric')
    return JSON.stringify([this.model.query, columns.slice(0, MOST)])
  })

  /** Must be called while a component is made. */
  start(): void {
    $effect(() => {
      const question = this.question
      // What was logged since counts as well.
      void this.model.table.matching
      if (question === null) this.ends = new Map()
      else void this.load(question)
    })
  }

  private async load(question: string): Promise<void> {
    const [query, columns] = JSON.parse(question) as [TableRequest, ColumnRef[]]
    if (columns.length === 0) return
    const { experiment_ids, filter, search, view, archived } = query
    try {
      const { groups } = await api.groups({
        ...{ experiment_ids, filter, search, view, archived },
        by: [NOBODY],
        columns,
        limit: 1,
      })
      if (question !== this.question) return
      const ends = new Map<string, Ends>()
      columns.forEach((ref, i) => {
        const cell = groups[0]?.cells[i]
        if (typeof cell?.min === 'number' && typeof cell.max === 'number')
          ends.set(columnId(ref), { low: cell.min, high: cell.max })
      })
      this.ends = ends
    } catch {
      // The table asks about the same runs and says what is wrong.
      this.ends = new Map()
    }
  }

  /** 0 to 1. */
  of(id: string, ref: ColumnRef, value: CellValue | null | undefined): number {
    const ends = this.ends.get(id)
    return ends ? goodness(value, ends, this.model.direction(ref.key)) : 0
  }
}
