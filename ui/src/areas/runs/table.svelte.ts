// The rows of the Runs table: fetched page by page and block by block of columns, patched in place while someone
// looks at them.

import { api, ApiFailure, describe, isAbort } from '../../api/client'
import type { ColumnRef, Groups, Span, Table, TableRequest } from '../../api/types'
import { columnId } from '../../runset/columns'
import {
  below,
  BLOCK,
  countLines,
  dropChild,
  forget,
  inBlocks,
  isFresh,
  newLevel,
  PAGE,
  pageMoves,
  patchLines,
  positionOf,
  putPage,
  setChild,
  spotAt,
  trim,
  type Level,
  type Line,
  type Page,
  type Spot,
} from './tree'

export interface TableQuery {
  /** Which runs, in which order. */
  base: Omit<TableRequest, 'shape' | 'offset' | 'limit' | 'columns'>
  columns: ColumnRef[]
  /** What is fetched of every run besides its columns. */
  extras: ColumnRef[]
  /** Runs that stand at the top whether they match or not. */
  named: string[]
  flat: boolean
  /** What runs are grouped by; empty: runs stand by themselves. */
  by: ColumnRef[]
}

export interface TableProblem {
  message: string
  hint?: string
  span?: Span
  /** The filter is at fault, not the server. */
  filter: boolean
}

/** Trees with few roots open by themselves. */
const FEW_ROOTS = 10
const MANY_CHILDREN = 200

/** Pages of a level that are kept. */
const MOST_PAGES = 60
/** Requests at the same time while somebody scrolls. */
const MOST_LOADS = 3
/** Whoever goes on by more rows than this at a time flies over them, and sees a page now and then. */
const LEAP = PAGE
const LEAP_MS = 100

interface Answer {
  level: Level
  page: number
  content: Page
}

export class RunsTable {
  private root = newLevel({ kind: 'top' })
  private named = newLevel({ kind: 'named', ids: [] })
  /** Read by every getter, raised by every change: the maps inside are plain. */
  private version = $state(0)
  private query: TableQuery | null = null
  private expanded = new Set<string>()
  private collapsed = new Set<string>()
  private loading = new Set<string>()
  private abort: AbortController | null = null
  private window: [number, number] = [0, 0]
  /** Blocks of columns in view, as ranges of which both ends belong to them. */
  private blocks: [number, number][] = [[0, 0]]
  /** Where the rows and the columns in view went last: 1 down or right, -1 up or left. */
  private heading = { rows: 0, columns: 0 }
  private lastColumn = 0
  private leaptAt = -Infinity
  private loadedAt = -Infinity
  private later: ReturnType<typeof setTimeout> | undefined
  private waiting: (() => void)[] = []
  private places = $state.raw(new Map<string, number>())

  ready = $state(false)
  busy = $state(false)
  problem = $state.raw<TableProblem | null>(null)
  matching = $state(0)
  inScope = $state(0)
  nesting = $state(0)
  /** The order is kept as it is while the pointer is in the table. */
  hold = $state(false)
  /** Rows that wait for the pointer to leave. Negative when there are fewer. */
  pending = $state<number | null>(null)

  /** Changes with every change of the rows. */
  get revision(): number {
    return this.version
  }

  get count(): number {
    void this.version
    return this.named.total + countLines(this.root)
  }

  /** How many of the first rows are those that stand at the top in any case. */
  get pinned(): number {
    void this.version
    return this.named.total
  }

  at(position: number): Spot | null {
    void this.version
    const top = this.named.total
    return position < top ? spotAt(this.named, position) : spotAt(this.root, position - top)
  }

  /** A run or group that is loaded, wherever it stands. */
  find(id: string): Line | null {
    const position = this.position(id)
    return position < 0 ? null : (this.at(position)?.line ?? null)
  }

  position(id: string): number {
    void this.version
    const position = positionOf(this.root, id)
    return position < 0 ? positionOf(this.named, id) : position + this.named.total
  }

  /** The run at the top of the table with this id. */
  topRun(id: string): Line | null {
    void this.version
    for (const line of this.named.lines.values()) if (line.id === id) return line
    return null
  }

  isExpanded(id: string): boolean {
    void this.version
    return this.expanded.has(id)
  }

  /** Where the cells of a column are in the rows that are here; -1 when they were not asked for. */
  place(id: string): number {
    return this.places.get(id) ?? -1
  }

  /** Starts over with another question; the old rows stay on screen until the new ones are here. */
  async ask(query: TableQuery): Promise<void> {
    this.query = query
    this.abort?.abort()
    const abort = new AbortController()
    this.abort = abort
    this.loading.clear()
    this.heading = { rows: 0, columns: 0 }
    this.leaptAt = -Infinity
    this.waiting = []
    this.pending = null
    this.busy = true
    try {
      const root = newLevel({ kind: 'top' })
      const named = newLevel({ kind: 'named', ids: query.named })
      const last = Math.max(0, Math.ceil(query.columns.length / BLOCK) - 1)
      const ranges = this.blocks.filter(([from]) => from <= last)
      if (ranges.length === 0) ranges.push([0, 0])
      const fill = async (level: Level) => {
        const pages = await Promise.all(
          ranges.map(([from, to]) => this.fetchPage(level, 0, from, Math.min(to, last), abort.signal)),
        )
        for (const page of pages) putPage(level, 0, page)
      }
      await Promise.all([fill(root), query.named.length > 0 ? fill(named) : null])
      await this.openChildren(root, abort.signal)
      this.root = root
      this.named = named
      this.places = new Map(query.columns.map((ref, i) => [columnId(ref), i]))
      this.ready = true
      this.problem = null
    } catch (error) {
      if (isAbort(error)) return
      this.fail(error)
    }
    this.busy = false
    this.version += 1
  }

  private fail(error: unknown): void {
    const bySpan = error instanceof ApiFailure && error.code === 'invalid_input'
    this.problem = {
      ...describe(error),
      span: error instanceof ApiFailure ? error.span : undefined,
      filter: bySpan && Boolean(this.query?.base.filter),
    }
  }

  private async fetchPage(
    level: Level,
    page: number,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<Page> {
    const query = this.query
    if (!query) return { lines: [], total: 0, from, to }
    const { source } = level
    const columns = [...query.extras, ...query.columns.slice(from * BLOCK, (to + 1) * BLOCK)]
    const window = { offset: page * PAGE, limit: PAGE, columns }
    if (source.kind === 'named') {
      const rows = await runsById(source.ids, columns, signal)
      return this.page({ ...rows, total: rows.rows.length }, from, to)
    }
    if (source.kind === 'top' && query.by.length > 0) {
      const { order_by, experiment_ids, filter, search, view, archived, best } = query.base
      const scope = { experiment_ids, filter, search, view, archived, best }
      const groups = await api.groups(
        { ...scope, ...window, columns: columns.slice(query.extras.length), by: query.by, order_by },
        signal,
      )
      this.matching = groups.matching
      this.inScope = groups.in_scope
      this.nesting = 0
      return groupPage(groups, from, to)
    }
    const shape: TableRequest['shape'] =
      source.kind === 'children'
        ? { kind: 'children', parent_run_id: source.runId }
        : { kind: query.flat || source.kind === 'members' ? 'flat' : 'roots' }
    const group = source.kind === 'members' ? { by: query.by, key: source.key } : undefined
    const table = await api.table({ ...query.base, ...window, shape, group }, signal)
    // Inside a group, runs stand by themselves.
    if (group) for (const row of table.rows) row.child_count = 0
    if (source.kind === 'top') {
      this.matching = table.matching
      this.inScope = table.in_scope
      this.nesting = table.nesting
    }
    return this.page(table, from, to)
  }

  private page(table: Table, from: number, to: number): Page {
    const extra = this.query?.extras.length ?? 0
    const lines = table.rows.map(({ cells, ...row }): Line => {
      return {
        kind: 'run',
        id: row.run_id,
        row,
        cells: inBlocks(cells.slice(extra), from),
        extras: cells.slice(0, extra),
      }
    })
    return { lines, total: table.total, from, to }
  }

  /** Fetches what stands below lines that are open, or that open by themselves. */
  private async openChildren(level: Level, signal: AbortSignal): Promise<void> {
    if (this.query?.flat && this.query.by.length === 0) return
    const few = level.parent === '' && level.total <= FEW_ROOTS
    const wanted = [...level.lines.values()].filter(
      (line) =>
        below(line) > 0 &&
        !level.children.has(line.id) &&
        (this.expanded.has(line.id) ||
          (line.kind === 'run' && few && below(line) <= MANY_CHILDREN && !this.collapsed.has(line.id))),
    )
    await Promise.all(
      wanted.map(async (line) => {
        const source =
          line.kind === 'run'
            ? ({ kind: 'children', runId: line.id } as const)
            : ({ kind: 'members', key: line.key } as const)
        const child = newLevel(source, line.id, level.depth + 1)
        for (const [from, to] of this.blocks)
          putPage(child, 0, await this.fetchPage(child, 0, from, to, signal))
        this.expanded.add(line.id)
        setChild(level, line.id, child)
        await this.openChildren(child, signal)
      }),
    )
  }

  async toggle(spot: Spot): Promise<void> {
    const { line, level } = spot
    if (!line) return
    if (this.expanded.delete(line.id)) {
      this.collapsed.add(line.id)
      dropChild(level, line.id)
      this.version += 1
      return
    }
    this.collapsed.delete(line.id)
    this.expanded.add(line.id)
    try {
      await this.openChildren(level, this.abort?.signal ?? new AbortController().signal)
    } catch (error) {
      if (!isAbort(error)) this.fail(error)
    }
    this.version += 1
  }

  /** Says what is on screen, so that what is missing is fetched. Columns are places in the question. */
  look(from: number, to: number, columns: number[]): void {
    const moved = from - this.window[0]
    const lastColumn = columns.at(-1) ?? 0
    this.heading = {
      rows: Math.sign(moved) || this.heading.rows,
      columns: Math.sign(lastColumn - this.lastColumn) || this.heading.columns,
    }
    if (Math.abs(moved) > LEAP) this.leaptAt = performance.now()
    this.window = [from, to]
    this.lastColumn = lastColumn
    const blocks = [...new Set(columns.map((column) => Math.floor(column / BLOCK)))].sort((a, b) => a - b)
    this.blocks = []
    for (const block of blocks) {
      const last = this.blocks.at(-1)
      if (last && last[1] === block - 1) last[1] = block
      else this.blocks.push([block, block])
    }
    if (this.blocks.length === 0) this.blocks.push([0, 0])
    this.fetchMissing()
  }

  private fetchMissing(): void {
    if (!this.query || !this.abort || !this.ready) return
    const now = performance.now()
    if (now - this.leaptAt < LEAP_MS && (this.loading.size > 0 || now - this.loadedAt < LEAP_MS)) {
      this.later ??= setTimeout(() => {
        this.later = undefined
        this.fetchMissing()
      }, LEAP_MS)
      return
    }
    const inView = this.pagesBetween(...this.window)
    this.fetch(inView, this.blocks)
    if (now - this.leaptAt < LEAP_MS) return
    // What comes into view next is there before: rows that fill up one by one cost less than all of them at once.
    const [from, to] = this.window
    if (this.heading.rows > 0) this.fetch(this.pagesBetween(to + 1, to + PAGE), this.blocks)
    if (this.heading.rows < 0) this.fetch(this.pagesBetween(Math.max(0, from - PAGE), from - 1), this.blocks)
    const edge =
      this.heading.columns > 0 ? (this.blocks.at(-1)?.[1] ?? 0) + 1 : (this.blocks[0]?.[0] ?? 0) - 1
    const blocks = Math.ceil(this.query.columns.length / BLOCK)
    if (this.heading.columns !== 0 && edge >= 0 && edge < blocks) this.fetch(inView, [[edge, edge]])
  }

  private fetch(pages: [Level, number][], blocks: [number, number][]): void {
    for (const [level, page] of pages) {
      for (const [from, to] of blocks) {
        if (this.loading.size >= MOST_LOADS) return
        let missing = false
        for (let block = from; block <= to; block++) missing ||= !isFresh(level, page, block)
        if (missing) void this.load(level, page, from, to)
      }
    }
  }

  private pagesBetween(from: number, to: number): [Level, number][] {
    const pages: [Level, number][] = []
    const seen = new Set<string>()
    const top = this.named.total
    if (top > 0) pages.push([this.named, 0])
    for (let position = Math.max(from, top); position <= to; position++) {
      const spot = spotAt(this.root, position - top)
      if (!spot) break
      const page = Math.floor(spot.index / PAGE)
      const key = `${spot.level.parent}:${page}`
      if (seen.has(key)) continue
      seen.add(key)
      pages.push([spot.level, page])
    }
    return pages
  }

  private async load(level: Level, page: number, from: number, to: number): Promise<void> {
    const key = `${level.source.kind}:${level.parent}:${page}:${from}`
    const signal = this.abort?.signal
    if (!signal || this.loading.has(key)) return
    this.loading.add(key)
    this.loadedAt = performance.now()
    let worked = false
    try {
      putPage(level, page, await this.fetchPage(level, page, from, to, signal))
      await this.openChildren(level, signal)
      trim(level, page, MOST_PAGES)
      this.problem = null
      worked = true
    } catch (error) {
      if (!isAbort(error)) this.fail(error)
    }
    if (signal.aborted) return
    this.loading.delete(key)
    this.version += 1
    // What came into view meanwhile had to wait.
    if (worked) this.fetchMissing()
  }

  /**
   * Something changed on the server: fetches what is on screen again. What the user just did here is shown at
   * once, wherever the pointer is.
   */
  async refresh(mine = false): Promise<void> {
    const signal = this.abort?.signal
    if (!this.query || !signal || this.busy) return
    if (!this.ready) return this.ask(this.query)
    const pages = this.pagesBetween(...this.window)
    if (!pages.some(([level]) => level !== this.named)) pages.push([this.root, 0])
    try {
      const answers = await Promise.all(
        pages.flatMap(([level, page]) =>
          this.blocks.map(async ([from, to]): Promise<Answer> => {
            return { level, page, content: await this.fetchPage(level, page, from, to, signal) }
          }),
        ),
      )
      const moves = answers.some(({ level, page, content }) => pageMoves(level, page, content))
      if (moves && this.hold && !mine) {
        for (const { level, content } of answers) patchLines(level, content)
        const grown = new Map(answers.map(({ level, content }) => [level, content.total - level.total]))
        this.pending = [...grown.values()].reduce((sum, by) => sum + by, 0)
        this.waiting = [() => this.settle(answers, signal)]
      } else {
        this.waiting = []
        await this.settle(answers, signal)
      }
      this.problem = null
    } catch (error) {
      if (!isAbort(error)) this.fail(error)
    }
    this.version += 1
  }

  private async settle(answers: Answer[], signal: AbortSignal): Promise<void> {
    forget(this.root)
    forget(this.named)
    for (const { level, page, content } of answers) putPage(level, page, content)
    for (const { level } of answers) await this.openChildren(level, signal)
    this.pending = null
    this.version += 1
  }

  /** Lets the waiting rows in. */
  release(): void {
    const waiting = this.waiting
    this.waiting = []
    this.pending = null
    for (const run of waiting) run()
    if (waiting.length > 0) void this.refresh()
  }
}

function groupPage({ groups, total }: Groups, from: number, to: number): Page {
  const lines = groups.map((group): Line => {
    return {
      kind: 'group',
      id: JSON.stringify(group.key),
      key: group.key,
      runCount: group.run_count,
      runningCount: group.running_count,
      failedCount: group.failed_count,
      cells: inBlocks(group.cells, from),
    }
  })
  return { lines, total, from, to }
}

/** Named runs, in the order of the names, wherever they are. */
export async function runsById(ids: string[], columns: ColumnRef[], signal?: AbortSignal): Promise<Table> {
  const quoted = ids.map((id) => `'${id.replaceAll("'", '')}'`).join(', ')
  const table = await api.table(
    {
      filter: `attributes.run_id IN (${quoted})`,
      view: 'all',
      archived: true,
      columns,
      shape: { kind: 'flat' },
      limit: 1000,
    },
    signal,
  )
  const order = new Map(ids.map((id, i) => [id, i]))
  const rows = table.rows.toSorted((a, b) => (order.get(a.run_id) ?? 0) - (order.get(b.run_id) ?? 0))
  return { ...table, rows }
}
