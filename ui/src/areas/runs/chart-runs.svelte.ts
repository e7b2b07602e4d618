// The runs that the charts show: the first rows of the table, without those whose eye is closed, and those that
// somebody added.

import { api } from '../../api/client'
import type { ColumnRef, TableRow } from '../../api/types'
import { MOST_LOOKS } from '../../design/colors'
import { toNumber } from '../../design/format'
import type { RunsModel } from './model.svelte'
import { runsById } from './table.svelte'

const MOST_BARS = 200

export class ChartRuns {
  /** The first rows as the charts see them: flat, with what the bars need, then what `Extras` names. */
  private first = $state.raw<TableRow[]>([])
  private extra = $state.raw<TableRow[]>([])
  private columns = $state.raw<ColumnRef[]>([])
  solo = $state.raw<TableRow | null>(null)

  constructor(private readonly model: RunsModel) {}

  private bars = $derived.by(() => {
    return this.model.metrics.filter((metric) => !metric.is_curve).slice(0, MOST_BARS)
  })

  visible = $derived.by(() => {
    if (this.solo) return [this.solo]
    const hidden = new Set(this.model.view.hidden)
    const first = this.first.filter((row) => !hidden.has(row.run_id))
    const seen = new Set(first.map((row) => row.run_id))
    return [...first, ...this.extra.filter((row) => !seen.has(row.run_id))]
  })
  visibleIds = $derived(new Set(this.visible.map((row) => row.run_id)))

  /** What the answer depends on, as text so that equal questions are equal. */
  question = $derived.by(() => {
    const { first, shown, baseline } = this.model.view
    const columns = this.bars.map(({ key }): ColumnRef => ({ kind: 'metric', key, reduce: 'last' }))
    return JSON.stringify({ first, shown, baseline, columns: [...columns, ...this.model.extras] })
  })

  async load(): Promise<void> {
    const { first: limit, shown, hidden, baseline } = this.model.view
    const { columns } = JSON.parse(this.question) as { columns: ColumnRef[] }
    // The baseline is what the others are held against: it is drawn unless somebody hid it.
    const wanted = baseline && !hidden.includes(baseline) ? [...new Set([...shown, baseline])] : shown
    try {
      const first = await api.table({
        ...this.model.query,
        columns,
        shape: { kind: 'flat' },
        offset: 0,
        limit,
      })
      const missing = wanted.filter((id) => !first.rows.some((row) => row.run_id === id))
      this.extra = missing.length === 0 ? [] : (await runsById(missing, columns)).rows
      this.first = first.rows
      this.columns = columns
      if (this.solo) this.solo = first.rows.find((row) => row.run_id === this.solo?.run_id) ?? this.solo
    } catch {
      // The table asks the same question and shows what is wrong with it.
    }
  }

  /** The extras of a run, in their order. */
  extrasOf(row: TableRow): TableRow['cells'] {
    return row.cells.slice(this.columns.length - this.model.extras.length)
  }

  /** Values of a metric that was logged once, for the bars. */
  barValues(metric: string): { runId: string; name: string; value: number }[] {
    const index = this.columns.findIndex((column) => column.kind === 'metric' && column.key === metric)
    if (index < 0) return []
    return this.visible
      .filter((row) => row.cells[index] !== null && row.cells[index] !== undefined)
      .map((row) => ({ runId: row.run_id, name: row.name, value: toNumber(row.cells[index]) }))
  }

  toggle(id: string): void {
    this.solo = null
    const { hidden, shown } = this.model.view
    const without = (list: string[]) => list.filter((other) => other !== id)
    const own = this.first.some((first) => first.run_id === id) || id === this.model.view.baseline
    if (this.visibleIds.has(id)) {
      this.model.update({ hidden: own ? [...hidden, id] : hidden, shown: without(shown) })
    } else {
      this.model.update({ hidden: without(hidden), shown: own ? shown : [...shown, id] })
    }
  }

  toggleSolo(row: Omit<TableRow, 'cells'>): void {
    if (this.solo?.run_id === row.run_id) {
      this.solo = null
      return
    }
    // A row of the table carries other cells than the bars need.
    this.solo = [...this.first, ...this.extra].find((other) => other.run_id === row.run_id) ?? {
      ...row,
      cells: [],
    }
  }

  showAll(): void {
    this.solo = null
    this.model.update({ hidden: [], shown: [] })
  }

  /** Colours of the visible runs as different as they can be, or back to those of their ids. */
  toggleSpread(): void {
    const ids = this.visible.slice(0, MOST_LOOKS).map((row) => row.run_id)
    this.model.update({ spread: this.model.view.spread.length > 0 ? [] : ids })
  }
}
