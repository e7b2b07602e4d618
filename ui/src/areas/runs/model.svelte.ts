// The Runs view: what the address says, the rows and columns that answer it, and the runs the charts show.

import { untrack } from 'svelte'
import { SvelteSet } from 'svelte/reactivity'
import { api, describe } from '../../api/client'
import { live } from '../../api/live.svelte'
import type { ColumnInfo, ColumnRef, Event, TableRequest, TableRow } from '../../api/types'
import { router } from '../../app/router.svelte'
import { throttle } from '../../app/throttle'
import { toasts } from '../../app/toasts.svelte'
import { ChartGroup, type ChartRun } from '../../charts/group.svelte'
import { MOST_LOOKS, spreadLooks } from '../../design/colors'
import { formatBytes, plural, toNumber } from '../../design/format'
import { groupId, groupName } from '../../runset/groups'
import { automaticColumns, columnId, sameColumn } from '../../runset/columns'
import { RunsTable } from './table.svelte'
import { parseView, printView, type Column, type RunsView } from '../../runset/view'

const ROWS_MS = 1000
const COLUMNS_MS = 2000
const MOST_BARS = 200
/** Runs whose groups the charts draw. */
const MOST_GROUPED = 1000
const MOST_SELECTED = 10_000

export class RunsModel {
  readonly table = new RunsTable()
  readonly group = new ChartGroup()
  readonly selected = new SvelteSet<string>()

  view = $derived(parseView(router.place.params))
  known = $state.raw<ColumnInfo[]>([])
  knownReady = $state(false)
  /** The first rows of the table as the charts see them: flat, with what the bars need. */
  private firstRows = $state.raw<TableRow[]>([])
  private extraRows = $state.raw<TableRow[]>([])
  solo = $state.raw<TableRow | null>(null)
  chartProblem = $state.raw<{ message: string; hint?: string } | null>(null)

  columns = $derived(this.view.columns ?? automaticColumns(this.known, this.view.experiments.length !== 1))
  /** Columns that hold numbers, by `columnId`. */
  numeric = $derived.by(() => {
    const params = new Set(
      this.known.filter((known) => known.kind === 'param' && known.numeric).map(({ key }) => key),
    )
    const isNumber = ({ kind, key }: ColumnRef) =>
      kind === 'metric' || key === 'duration_ms' || (kind === 'param' && params.has(key))
    return new Set(this.columns.filter(({ ref }) => isNumber(ref)).map(({ ref }) => columnId(ref)))
  })
  metrics = $derived(this.known.filter((column) => column.kind === 'metric'))
  private bars = $derived(this.metrics.filter((metric) => !metric.is_curve).slice(0, MOST_BARS))

  /** The question to the server, as text so that equal questions are equal. */
  private question = $derived(
    JSON.stringify({
      experiment_ids: this.view.experiments,
      filter: this.view.filter,
      search: this.view.search,
      view: this.view.trash ? 'deleted' : 'active',
      order_by: this.view.sort,
    }),
  )
  /** The same for charts that ask for runs themselves. */
  query = $derived(JSON.parse(this.question) as TableRequest)
  private cells = $derived(JSON.stringify(this.columns.map((column) => column.ref)))

  visibleRows = $derived.by(() => {
    if (this.solo) return [this.solo]
    const hidden = new Set(this.view.hidden)
    const first = this.firstRows.filter((row) => !hidden.has(row.run_id))
    const seen = new Set(first.map((row) => row.run_id))
    return [...first, ...this.extraRows.filter((row) => !seen.has(row.run_id))]
  })
  visibleIds = $derived(new Set(this.visibleRows.map((row) => row.run_id)))

  private refreshRows = throttle(() => {
    if (document.hidden) return
    void this.table.refresh()
    void this.loadChartRuns()
  }, ROWS_MS)
  private refreshColumns = throttle(() => void this.loadColumns(), COLUMNS_MS)

  /** Must be called while a component is made: its effects live as long as the component. */
  start(): void {
    $effect(() => live.on((event) => this.receive(event)))
    $effect(() => this.group.follow())
    $effect(() => {
      const visible = () => {
        if (!document.hidden) this.refreshRows()
      }
      document.addEventListener('visibilitychange', visible)
      return () => document.removeEventListener('visibilitychange', visible)
    })
    $effect(() => {
      void this.view.experiments.join()
      void this.view.trash
      void this.loadColumns()
      this.solo = null
    })
    $effect(() => {
      if (!this.knownReady) return
      const query = JSON.parse(this.question) as object
      void this.table.ask({ ...query, columns: JSON.parse(this.cells) as ColumnRef[], flat: this.view.flat })
    })
    $effect(() => {
      if (!this.knownReady) return
      void this.question
      void this.view.first
      void this.view.shown.join()
      void this.view.baseline
      void JSON.stringify(this.view.group)
      void this.bars
      void this.loadChartRuns()
    })
    $effect(() => {
      const runs = this.visibleRows.map((row) => this.chartRun(row))
      // Charts fetch again when their runs change; an equal list is not a change.
      if (JSON.stringify(runs) !== JSON.stringify(this.group.runs)) this.group.runs = runs
    })
    $effect(() => {
      const ids = this.view.spread
      untrack(() => spreadLooks(ids))
    })
    $effect(() => () => spreadLooks([]))
    $effect(() => {
      this.group.sync = this.view.sync
    })
  }

  update(change: Partial<RunsView>): void {
    router.replaceParams(printView({ ...this.view, ...change }))
  }

  setColumns(columns: Column[]): void {
    this.update({ columns })
  }

  private inScope(experimentId: string): boolean {
    return this.view.experiments.length === 0 || this.view.experiments.includes(experimentId)
  }

  private receive(event: Event): void {
    if (event.type === 'reset') {
      this.refreshRows()
      this.refreshColumns()
    } else if (event.type === 'runs' && this.inScope(event.experiment_id)) {
      this.refreshRows()
      this.refreshColumns()
    } else if (event.type === 'metrics' && this.inScope(event.experiment_id)) {
      this.refreshRows()
      const grows =
        event.points.length === 0 ||
        event.points.some((point) => !this.metrics.find((m) => m.key === point.key)?.is_curve)
      if (grows) this.refreshColumns()
    }
  }

  async loadColumns(): Promise<void> {
    const { experiments, trash } = this.view
    try {
      const { columns } = await api.columns(experiments, trash ? 'deleted' : 'active')
      if (JSON.stringify(columns) !== JSON.stringify(this.known)) this.known = columns
      this.chartProblem = null
    } catch (error) {
      this.chartProblem = describe(error)
    }
    this.knownReady = true
  }

  private async loadChartRuns(): Promise<void> {
    const query = JSON.parse(this.question) as object
    const bars: ColumnRef[] = this.bars.map(({ key }) => ({ kind: 'metric', key, reduce: 'last' }))
    const columns = [...bars, ...this.view.group]
    const grouped = this.view.group.length > 0
    try {
      const first = await api.table({
        ...query,
        columns,
        shape: { kind: 'flat' },
        offset: 0,
        limit: grouped ? MOST_GROUPED : this.view.first,
      })
      const wanted = [...this.view.shown, ...(this.view.baseline ? [this.view.baseline] : [])]
      const missing = wanted.filter((id) => !first.rows.some((row) => row.run_id === id))
      const extra = missing.length === 0 ? [] : await this.fetchRuns(missing, columns)
      this.firstRows = grouped ? this.ofFirstGroups(first.rows) : first.rows
      this.extraRows = extra
      if (this.solo) this.solo = first.rows.find((row) => row.run_id === this.solo?.run_id) ?? this.solo
    } catch {
      // The table asks the same question and shows what is wrong with it.
    }
  }

  /** What a row has for the fields that runs are grouped by; the bars stand before them. */
  private groupOf(row: TableRow): ChartRun['group'] {
    const count = this.view.group.length
    if (count === 0 || row.cells.length < this.bars.length + count) return undefined
    const values = row.cells.slice(this.bars.length, this.bars.length + count)
    return { id: groupId(values), name: groupName(values) }
  }

  private chartRun(row: TableRow): ChartRun {
    const group = this.groupOf(row)
    return { runId: row.run_id, name: row.name, ...(group ? { group } : {}) }
  }

  private ofFirstGroups(rows: TableRow[]): TableRow[] {
    const groups = new Set<string>()
    return rows.filter((row) => {
      const id = this.groupOf(row)?.id ?? ''
      if (groups.size < this.view.first) groups.add(id)
      return groups.has(id)
    })
  }

  private async fetchRuns(ids: string[], columns: ColumnRef[]): Promise<TableRow[]> {
    const quoted = ids.map((id) => `'${id.replaceAll("'", '')}'`).join(', ')
    const { rows } = await api.table({
      filter: `attributes.run_id IN (${quoted})`,
      view: 'all',
      columns,
      shape: { kind: 'flat' },
      limit: 1000,
    })
    return rows
  }

  /** Values of a metric that was logged once, for the bars. */
  barValues(metric: string): { runId: string; name: string; value: number }[] {
    const index = this.bars.findIndex((bar) => bar.key === metric)
    if (index < 0) return []
    return this.visibleRows
      .filter((row) => row.cells[index] !== null && row.cells[index] !== undefined)
      .map((row) => ({ runId: row.run_id, name: row.name, value: toNumber(row.cells[index]) }))
  }

  isVisible(runId: string): boolean {
    return this.visibleIds.has(runId)
  }

  toggleVisible(row: TableRow): void {
    this.solo = null
    const id = row.run_id
    const without = (list: string[]) => list.filter((other) => other !== id)
    const isFirst = this.firstRows.some((first) => first.run_id === id)
    if (this.isVisible(id)) {
      this.update({
        hidden: isFirst ? [...this.view.hidden, id] : this.view.hidden,
        shown: without(this.view.shown),
      })
    } else {
      this.update({
        hidden: without(this.view.hidden),
        shown: isFirst ? this.view.shown : [...this.view.shown, id],
      })
    }
  }

  toggleSolo(row: TableRow): void {
    if (this.solo?.run_id === row.run_id) {
      this.solo = null
      return
    }
    // A row of the table carries other cells than the bars need.
    this.solo = [...this.firstRows, ...this.extraRows].find((other) => other.run_id === row.run_id) ?? {
      ...row,
      cells: [],
    }
  }

  showAll(): void {
    this.solo = null
    this.update({ hidden: [], shown: [] })
  }

  /** Colours of the visible runs as different as they can be, or back to those of their ids. */
  toggleSpread(): void {
    const ids = this.visibleRows.slice(0, MOST_LOOKS).map((row) => row.run_id)
    this.update({ spread: this.view.spread.length > 0 ? [] : ids })
  }

  sortBy(ref: ColumnRef, add: boolean): void {
    const old = this.view.sort.find((key) => sameColumn(key.column, ref) && key.column.reduce === ref.reduce)
    const next = !old
      ? { column: ref, descending: ref.kind === 'metric' }
      : { column: ref, descending: !old.descending }
    // Numbers are most often wanted from their best end down; a third click takes the key away.
    const done = old !== undefined && old.descending !== (ref.kind === 'metric')
    const others = add ? this.view.sort.filter((key) => key !== old) : []
    if (done) this.update({ sort: others })
    else if (add && old) this.update({ sort: this.view.sort.map((key) => (key === old ? next : key)) })
    else this.update({ sort: [...others, next] })
  }

  async selectAll(): Promise<void> {
    const query = JSON.parse(this.question) as object
    try {
      for (let offset = 0; offset < MOST_SELECTED; offset += 1000) {
        const { rows, total } = await api.table({ ...query, shape: { kind: 'flat' }, offset, limit: 1000 })
        for (const row of rows) this.selected.add(row.run_id)
        if (offset + 1000 >= total) break
      }
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
  }

  async remove(ids: string[]): Promise<void> {
    try {
      const { changed } = await api.deleteRuns(ids)
      this.selected.clear()
      void this.table.refresh(true)
      toasts.show(`Moved ${plural(changed, 'run')} to the trash${await whenEmptied(ids)}.`, {
        action: { label: 'Undo', run: () => void this.restore(ids) },
      })
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
  }

  async restore(ids: string[]): Promise<void> {
    try {
      const { changed } = await api.restoreRuns(ids)
      this.selected.clear()
      toasts.show(`Restored ${plural(changed, 'run')}.`)
      void this.table.refresh(true)
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
  }
}

const PATIENCE_MS = 800

/** How much disk space goes with runs in the trash, where that is known soon. */
async function whenEmptied(ids: string[]): Promise<string> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS))
  const report = await Promise.race([api.previewPurge({ run_ids: ids }).catch(() => null), late])
  return report && report.bytes > 0 ? `: frees ${formatBytes(report.bytes)} when the trash is emptied` : ''
}
