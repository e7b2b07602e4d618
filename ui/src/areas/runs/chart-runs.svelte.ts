// The runs that the charts show: the first rows of the table, without those whose eye is closed, and those that
// somebody added.

import { api } from '../../api/client'
import type { ColumnRef, TableRow } from '../../api/types'
import type { ChartRun } from '../../charts/group.svelte'
import { MOST_LOOKS } from '../../design/colors'
import { toNumber } from '../../design/format'
import { groupId, groupName } from '../../runset/groups'
import type { RunsModel } from './model.svelte'
import { runsById } from './table.svelte'

const MOST_BARS = 200
/** Runs of whose groups the charts draw the first. */
const MOST_GROUPED = 1000

export class ChartRuns {
  /**
   * The first rows as the charts see them: flat, with what the bars need, then the fields of groups, then what
   * `extras` names.
   */
  private first = $state.raw<TableRow[]>([])
  private extra = $state.raw<TableRow[]>([])
  private columns = $state.raw<ColumnRef[]>([])
  private metricPlaces = $derived(
    new Map(this.columns.flatMap(({ kind, key }, at) => (kind === 'metric' ? [[key, at] as const] : []))),
  )
  solo = $state.raw<TableRow | null>(null)
  /** Counts questions, so that only the last one is answered. */
  private loads = 0

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
    const { first, shown, hidden, baseline, group, layout } = this.model.view
    // Beside a table without charts, it only has to be known which runs they would show.
    const bars = layout === 1 ? [] : this.bars
    const columns = bars.map(({ key }): ColumnRef => ({ kind: 'metric', key, reduce: 'last' }))
    // The baseline is what the others are held against: it is drawn unless somebody hid it.
    const named = baseline && !hidden.includes(baseline) ? [...new Set([...shown, baseline])] : shown
    return JSON.stringify({ first, named, columns: [...columns, ...group, ...this.model.extras] })
  })

  async load(): Promise<void> {
    const { group, layout } = this.model.view
    const grouped = group.length > 0
    const asked = JSON.parse(this.question) as { first: number; named: string[]; columns: ColumnRef[] }
    const { first: most, named, columns } = asked
    const load = ++this.loads
    try {
      // Whoever looks at the table alone waits for its rows alone.
      if (layout === 1) await this.model.answered
      if (load !== this.loads) return
      const first = await api.table({
        ...this.model.query,
        columns,
        shape: { kind: 'flat' },
        offset: 0,
        limit: grouped ? MOST_GROUPED : most,
      })
      const missing = named.filter((id) => !first.rows.some((row) => row.run_id === id))
      const extra = missing.length === 0 ? [] : (await runsById(missing, columns)).rows
      // A later answer may have come first.
      if (load !== this.loads) return
      this.extra = extra
      this.columns = columns
      this.first = grouped ? this.ofFirstGroups(first.rows) : first.rows
      if (this.solo) this.solo = first.rows.find((row) => row.run_id === this.solo?.run_id) ?? this.solo
    } catch {
      // The table asks the same question and shows what is wrong with it.
    }
  }

  /** The extras of a run, in their order. */
  extrasOf(row: TableRow): TableRow['cells'] {
    return row.cells.slice(this.columns.length - this.model.extras.length)
  }

  /** A run as charts know it, with the group it belongs to. */
  chartRun(row: TableRow): ChartRun {
    const count = this.model.view.group.length
    const end = this.columns.length - this.model.extras.length
    // Rows that were fetched before the grouping have no such cells.
    if (count === 0 || row.cells.length < this.columns.length) return { runId: row.run_id, name: row.name }
    const values = row.cells.slice(end - count, end)
    return { runId: row.run_id, name: row.name, group: { id: groupId(values), name: groupName(values) } }
  }

  private ofFirstGroups(rows: TableRow[]): TableRow[] {
    const groups = new Set<string>()
    return rows.filter((row) => {
      const id = this.chartRun(row).group?.id ?? ''
      if (groups.size < this.model.view.first) groups.add(id)
      return groups.has(id)
    })
  }

  /** Values of a metric that was logged once, for the bars. */
  barValues(metric: string): { runId: string; name: string; value: number }[] {
    const index = this.metricPlaces.get(metric)
    if (index === undefined) return []
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
