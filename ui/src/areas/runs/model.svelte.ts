// The Runs view: what the address says, the rows and columns that answer it, and the runs the charts show.
// Whoever wants other runs, or the same ones otherwise, changes the view by `update` and nothing else.

import { untrack } from 'svelte'
import { api, describe } from '../../api/client'
import { live } from '../../api/live.svelte'
import type { ColumnInfo, ColumnList, ColumnRef, Event, TableRequest, TableRow } from '../../api/types'
import { router } from '../../app/router.svelte'
import { throttle } from '../../app/throttle'
import { toasts } from '../../app/toasts.svelte'
import { undo, type Step } from '../../app/undo.svelte'
import { ChartGroup } from '../../charts/group.svelte'
import { automaticColumns, columnId, differingColumns, sameColumn } from '../../runset/columns'
import { bestEnds, bestReduce, directionOf } from '../../runset/directions'
import { parseView, printView, type Column, type Direction, type RunsView } from '../../runset/view'
import { RunActions } from './actions'
import { ChartRuns } from './chart-runs.svelte'
import { Colour } from './colour.svelte'
import { Heat } from './heat.svelte'
import { Selection } from './selection.svelte'
import { stepOf } from './steps'
import { RunsTable, type TableQuery } from './table.svelte'
import { BLOCK, type RunLine } from './tree'

const ROWS_MS = 1000
const COLUMNS_MS = 2000
/** Typing, dragging and sliding go on with the step before for so long. */
const MERGE_MS = 3000
/** Columns as they were when each scope was last looked at, so that its rows need not wait for them again. */
const seenColumns = new Map<string, { text: string; columns: ColumnInfo[] }>()
const MOST_SEEN = 8

export class RunsModel {
  readonly table = new RunsTable()
  readonly group = new ChartGroup()
  readonly charts = new ChartRuns(this)
  readonly colour = new Colour(this)
  readonly heat = new Heat(this)
  readonly selected = new Selection(() => this.table.matching)
  readonly actions = new RunActions(this)

  /** The run under the table's cursor, and whether it is shown in short beside the list. */
  cursor = $state<string | null>(null)
  peeking = $state(false)
  /** The run whose notes or tags are being edited in its row. */
  editing = $state.raw<{ what: 'note' | 'tags'; id: string; name: string } | null>(null)

  view = $derived(parseView(router.place.params))
  known = $state.raw<ColumnInfo[]>([])
  knownReady = $state(false)
  chartProblem = $state.raw<{ message: string; hint?: string } | null>(null)
  private lastStep: { step: Step; merge: string; at: number; to: Record<string, string> } | null = null

  private chosen = $derived(
    this.view.columns ??
      automaticColumns(this.known, this.view.experiments.length !== 1, this.view.directions),
  )
  /** Which columns tell the matching runs apart; null while nobody wants to know. */
  private differing = $state.raw<ColumnRef[] | null>(null)
  columns = $derived(
    this.view.differing && this.differing
      ? differingColumns(this.chosen, this.differing, this.view.columns === null, this.view.directions)
      : this.chosen,
  )
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
  /** What is fetched of every run, whatever the columns. */
  extras = $derived(this.colour.extras)

  /** The question to the server, as text so that equal questions are equal. */
  private question = $derived(
    JSON.stringify({
      experiment_ids: this.view.experiments,
      filter: this.view.filter,
      search: this.view.search,
      view: this.view.trash ? 'deleted' : 'active',
      archived: this.view.archived,
      order_by: this.view.sort,
      ...bestEnds(this.view.filter, this.view.directions),
    }),
  )
  /** Which runs, in which order: add columns, shape and page. */
  query = $derived(JSON.parse(this.question) as TableRequest)
  /** Columns in the order in which they stand, so that those in view are fetched together. */
  shownColumns = $derived([
    ...this.columns.filter((column) => column.pinned),
    ...this.columns.filter((column) => !column.pinned),
  ])
  /** Few columns are fetched together: then their order does not matter. */
  private cells = $derived.by(() => {
    const refs = this.shownColumns.map((column) => column.ref)
    if (refs.length > BLOCK) return JSON.stringify(refs)
    return JSON.stringify(refs.toSorted((a, b) => (columnId(a) < columnId(b) ? -1 : 1)))
  })
  /** Everything the rows depend on, as text; empty until it is known which columns there are. */
  private rowsQuestion = $derived.by(() => {
    if (!this.knownReady) return ''
    const { flat, group } = this.view
    const [base, columns] = [this.query, JSON.parse(this.cells) as ColumnRef[]]
    return JSON.stringify({ base, columns, extras: this.extras, named: this.named, flat, by: group })
  })
  private asked = ''
  /** When the rows that were asked for last are there. */
  answered: Promise<void> = Promise.resolve()
  /** Runs whose columns are known. */
  private scope = $derived(JSON.stringify([this.view.experiments, this.view.trash]))
  /** Runs that stand at the top: the baseline, then what somebody pinned. */
  named = $derived([...new Set([...(this.view.baseline ? [this.view.baseline] : []), ...this.view.pins])])
  /** The baseline's row, while its cells are known. */
  baseline = $derived.by((): RunLine | null => {
    const line = this.view.baseline ? this.table.topRun(this.view.baseline) : null
    return line?.kind === 'run' ? line : null
  })

  private refreshRows = throttle(() => {
    if (document.hidden) return
    void this.table.refresh()
    void this.charts.load()
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
    untrack(() => {
      this.recallColumns()
      this.ask()
    })
    $effect(() => {
      void this.scope
      untrack(() => {
        void this.loadColumns()
        this.charts.solo = null
      })
    })
    $effect(() => {
      void this.rowsQuestion
      untrack(() => this.ask())
    })
    $effect(() => {
      if (!this.knownReady) return
      void this.question
      void this.charts.question
      untrack(() => void this.charts.load())
    })
    $effect(() => {
      void this.question
      void this.known
      if (this.view.differing) void this.findDiffering()
      else this.differing = null
    })
    $effect(() => {
      void this.question
      // What is selected by a question does not outlive it.
      untrack(() => {
        if (this.selected.all) this.selected.clear()
      })
    })
    $effect(() => {
      const runs = this.charts.visible.map((row) => this.charts.chartRun(row))
      // Charts fetch again when their runs change; an equal list is not a change.
      if (JSON.stringify(runs) !== JSON.stringify(this.group.runs)) this.group.runs = runs
    })
    $effect(() => {
      this.group.sync = this.view.sync
    })
    this.colour.start()
    this.heat.start()
  }

  /** Asks for the rows, unless they were asked for. They are on their way while the screen is still being made. */
  private ask(): void {
    const question = this.rowsQuestion
    if (question === '' || question === this.asked) return
    this.asked = question
    this.answered = this.table.ask(JSON.parse(question) as TableQuery)
  }

  /** Changes the view. What a person would call a step can be undone, and the coarse ones are gone back to. */
  update(change: Partial<RunsView>): void {
    const after = { ...this.view, ...change }
    const step = stepOf(this.view, after)
    // The saved view that this one came from stays in the address.
    const named: Record<string, string> = router.place.params.view ? { view: router.place.params.view } : {}
    const [from, to] = [
      { ...printView(this.view), ...named },
      { ...printView(after), ...named },
    ]
    if (!step) {
      router.replaceParams(to)
      return
    }
    const last = this.lastStep
    const goesOn = step.merge !== null && last?.merge === step.merge && performance.now() - last.at < MERGE_MS
    if (goesOn) {
      last.to = to
      last.at = performance.now()
      router.replaceParams(to)
      return
    }
    const made = {
      step: {
        label: step.label,
        undo: () => goTo(from),
        redo: () => goTo(made.to),
      },
      merge: step.merge ?? '',
      at: performance.now(),
      to,
    }
    this.lastStep = made
    undo.push(made.step)
    if (step.entry) router.go(router.place.path, to)
    else router.replaceParams(to)
  }

  setColumns(columns: Column[]): void {
    this.update({ columns })
  }

  /** Says which end of a metric is good; columns that showed its best value go on doing so. */
  setDirection(metric: string, direction: Direction): void {
    const { directions } = this.view
    const old = bestReduce(metric, directions)
    const next = { ...directions, [metric]: direction }
    const best = bestReduce(metric, next) ?? 'last'
    const turned = (column: Column) =>
      column.ref.kind === 'metric' && column.ref.key === metric && column.ref.reduce === old
    const columns = this.view.columns?.map((column) =>
      turned(column) ? { ...column, ref: { ...column.ref, reduce: best } } : column,
    )
    this.update({ directions: next, columns: columns ?? null })
  }

  direction(metric: string): Direction | null {
    return directionOf(metric, this.view.directions)
  }

  /** Shows the curves of a metric in its columns, or no longer. */
  toggleSpark(metric: string): void {
    const { sparks } = this.view
    this.update({
      sparks: sparks.includes(metric) ? sparks.filter((other) => other !== metric) : [...sparks, metric],
    })
  }

  toggleDiffering(): void {
    this.update({ differing: !this.view.differing })
  }

  private async findDiffering(): Promise<void> {
    const asked = this.question
    try {
      const { columns } = await api.differing(JSON.parse(asked) as TableRequest)
      if (asked === this.question) this.differing = columns
    } catch (error) {
      // A filter that is wrong is shown where it is written.
      if (!this.view.filter) toasts.show(describe(error).message, { kind: 'error' })
    }
  }

  /** Makes the run the one that others are compared with, or no longer. */
  toggleBaseline(id: string): void {
    const on = this.view.baseline !== id
    this.update({ baseline: on ? id : null, deltas: on })
  }

  togglePin(id: string): void {
    const { pins } = this.view
    this.update({ pins: pins.includes(id) ? pins.filter((other) => other !== id) : [...pins, id] })
  }

  /** Opens the selected runs side by side. */
  compare(): void {
    void this.actions.selectedIds().then((ids) => {
      if (ids.length === 0) {
        toasts.show('Select the runs to compare first, with X or their boxes.')
        return
      }
      const base = this.view.baseline
      // What the others are held against is looked at as well.
      const runs = base && !ids.includes(base) ? [base, ...ids] : ids
      router.go('/compare', { runs: runs.join(','), ...(base ? { base } : {}) })
    })
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

  /** Begins with the columns as they were when this scope was last looked at. */
  private recallColumns(): void {
    const seen = seenColumns.get(this.scope)
    if (!seen || this.knownReady) return
    this.known = seen.columns
    this.knownReady = true
  }

  async loadColumns(): Promise<void> {
    const { scope } = this
    const { experiments, trash } = this.view
    this.recallColumns()
    try {
      // Where columns are known, rows come first.
      if (this.knownReady) await this.answered
      const text = await api.columnsText(experiments, trash ? 'deleted' : 'active')
      const seen = seenColumns.get(scope)
      // Thousands of columns that are as they were need not be looked at again.
      const columns = seen?.text === text ? seen.columns : (JSON.parse(text) as ColumnList).columns
      seenColumns.delete(scope)
      seenColumns.set(scope, { text, columns })
      for (const old of seenColumns.keys()) if (seenColumns.size > MOST_SEEN) seenColumns.delete(old)
      if (scope === this.scope) this.known = columns
      this.chartProblem = null
    } catch (error) {
      this.chartProblem = describe(error)
    }
    this.knownReady = true
  }

  /** Asks for everything that is on screen again. */
  retry(): void {
    void this.loadColumns()
    void this.table.refresh()
    void this.charts.load()
    this.group.refresh()
  }

  get solo(): TableRow | null {
    return this.charts.solo
  }

  get visibleRows(): TableRow[] {
    return this.charts.visible
  }

  barValues(metric: string): { runId: string; name: string; value: number }[] {
    return this.charts.barValues(metric)
  }

  isVisible(runId: string): boolean {
    return this.charts.visibleIds.has(runId)
  }

  showAll(): void {
    this.charts.showAll()
  }

  toggleSpread(): void {
    this.charts.toggleSpread()
  }

  sortBy(ref: ColumnRef, add: boolean): void {
    const old = this.view.sort.find((key) => sameColumn(key.column, ref) && key.column.reduce === ref.reduce)
    // Numbers are most often wanted from their best end down; a third click takes the key away.
    const down = ref.kind === 'metric' && this.direction(ref.key) !== 'lower'
    const next = { column: ref, descending: old ? !old.descending : down }
    const done = old !== undefined && Boolean(old.descending) !== down
    const others = add ? this.view.sort.filter((key) => key !== old) : []
    if (done) this.update({ sort: others })
    else if (add && old) this.update({ sort: this.view.sort.map((key) => (key === old ? next : key)) })
    else this.update({ sort: [...others, next] })
  }
}

function goTo(params: Record<string, string>): void {
  if (router.place.path === '/runs') router.replaceParams(params)
  else router.go('/runs', params)
}
