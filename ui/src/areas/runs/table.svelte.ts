// The rows of the Runs table: fetched page by page, patched in place while someone looks at them.

import { api, ApiFailure, describe, isAbort } from '../../api/client'
import type { Span, Table, TableRequest, TableRow } from '../../api/types'
import {
  countRows,
  dropChild,
  forget,
  newLevel,
  PAGE,
  pageMoves,
  patchRows,
  positionOf,
  putPage,
  setChild,
  spotAt,
  type Level,
  type Spot,
} from './tree'

export type TableQuery = Omit<TableRequest, 'shape' | 'offset' | 'limit'> & { flat: boolean }

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

export class RunsTable {
  private root = newLevel(null, 0)
  /** Read by every getter, raised by every change: the maps inside are plain. */
  private version = $state(0)
  private query: TableQuery | null = null
  private expanded = new Set<string>()
  private collapsed = new Set<string>()
  private loading = new Set<string>()
  private abort: AbortController | null = null
  private window: [number, number] = [0, 0]
  private waiting: (() => void)[] = []

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
    return countRows(this.root)
  }

  at(position: number): Spot | null {
    void this.version
    return spotAt(this.root, position)
  }

  position(runId: string): number {
    void this.version
    return positionOf(this.root, runId)
  }

  isExpanded(runId: string): boolean {
    void this.version
    return this.expanded.has(runId)
  }

  /** Starts over with another question; the old rows stay on screen until the new ones are here. */
  async ask(query: TableQuery): Promise<void> {
    this.query = query
    this.abort?.abort()
    const abort = new AbortController()
    this.abort = abort
    this.loading.clear()
    this.waiting = []
    this.pending = null
    this.busy = true
    try {
      const root = newLevel(null, 0)
      const table = await this.fetchPage(root, 0, abort.signal)
      putPage(root, 0, table)
      await this.openChildren(root, abort.signal)
      this.root = root
      this.take(table)
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
      filter: bySpan && Boolean(this.query?.filter),
    }
  }

  private take(table: Table): void {
    this.matching = table.matching
    this.inScope = table.in_scope
    this.nesting = table.nesting
  }

  private fetchPage(level: Level, page: number, signal: AbortSignal): Promise<Table> {
    const { flat, ...query } = this.query ?? { flat: true }
    return api.table(
      {
        ...query,
        shape:
          level.parent !== null
            ? { kind: 'children', parent_run_id: level.parent }
            : { kind: flat ? 'flat' : 'roots' },
        offset: page * PAGE,
        limit: PAGE,
      },
      signal,
    )
  }

  /** Fetches the children of rows that are open, or that open by themselves. */
  private async openChildren(level: Level, signal: AbortSignal): Promise<void> {
    if (this.query?.flat) return
    const few = level.parent === null && level.total <= FEW_ROOTS
    const wanted = [...level.rows.values()].filter(
      (row) =>
        row.child_count > 0 &&
        !level.children.has(row.run_id) &&
        (this.expanded.has(row.run_id) ||
          (few && row.child_count <= MANY_CHILDREN && !this.collapsed.has(row.run_id))),
    )
    await Promise.all(
      wanted.map(async (row) => {
        const child = newLevel(row.run_id, level.depth + 1)
        putPage(child, 0, await this.fetchPage(child, 0, signal))
        this.expanded.add(row.run_id)
        setChild(level, row.run_id, child)
        await this.openChildren(child, signal)
      }),
    )
  }

  async toggle(row: TableRow, spot: Spot): Promise<void> {
    if (this.expanded.delete(row.run_id)) {
      this.collapsed.add(row.run_id)
      dropChild(spot.level, row.run_id)
      this.version += 1
      return
    }
    this.collapsed.delete(row.run_id)
    this.expanded.add(row.run_id)
    try {
      await this.openChildren(spot.level, this.abort?.signal ?? new AbortController().signal)
    } catch (error) {
      if (!isAbort(error)) this.fail(error)
    }
    this.version += 1
  }

  /** Says which rows are on screen, so that the missing ones are fetched. */
  look(from: number, to: number): void {
    this.window = [from, to]
    if (!this.query || !this.abort) return
    for (const [level, page] of this.pagesBetween(from, to)) {
      if (!level.fresh.has(page)) void this.load(level, page)
    }
  }

  private pagesBetween(from: number, to: number): [Level, number][] {
    const pages: [Level, number][] = []
    const seen = new Set<string>()
    for (let position = from; position <= to; position++) {
      const spot = spotAt(this.root, position)
      if (!spot) break
      const page = Math.floor(spot.index / PAGE)
      const key = `${spot.level.parent ?? ''}:${page}`
      if (seen.has(key)) continue
      seen.add(key)
      pages.push([spot.level, page])
    }
    return pages
  }

  private async load(level: Level, page: number): Promise<void> {
    const key = `${level.parent ?? ''}:${page}`
    const signal = this.abort?.signal
    if (!signal || this.loading.has(key)) return
    this.loading.add(key)
    try {
      const table = await this.fetchPage(level, page, signal)
      putPage(level, page, table)
      await this.openChildren(level, signal)
      this.problem = null
    } catch (error) {
      if (!isAbort(error)) this.fail(error)
    }
    this.loading.delete(key)
    this.version += 1
  }

  /**
   * Something changed on the server: fetches what is on screen again. What the user just did here is shown at
   * once, wherever the pointer is.
   */
  async refresh(mine = false): Promise<void> {
    const signal = this.abort?.signal
    if (!this.query || !signal || this.busy) return
    if (!this.ready) return this.ask(this.query)
    let pages = this.pagesBetween(...this.window)
    if (pages.length === 0) pages = [[this.root, 0]]
    try {
      const answers = await Promise.all(
        pages.map(async ([level, page]) => [level, page, await this.fetchPage(level, page, signal)] as const),
      )
      const rootAnswer = answers.find(([level]) => level.parent === null)?.[2]
      if (rootAnswer) this.take(rootAnswer)
      const moves = answers.some(([level, page, table]) => pageMoves(level, page, table))
      if (moves && this.hold && !mine) {
        for (const [level, , table] of answers) patchRows(level, table)
        this.pending = answers.reduce((sum, [level, , table]) => sum + table.total - level.total, 0)
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

  private async settle(answers: (readonly [Level, number, Table])[], signal: AbortSignal): Promise<void> {
    forget(this.root)
    for (const [level, page, table] of answers) putPage(level, page, table)
    for (const [level] of answers) await this.openChildren(level, signal)
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
