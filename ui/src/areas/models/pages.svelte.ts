// Rows of a long list, fetched page by page as they come into view. After a change the pages in view are fetched again,
// and what was shown stays until they are there.

import { describe, ApiFailure, isAbort } from '../../api/client'
import type { Span } from '../../api/types'

export interface ListProblem {
  message: string
  hint?: string
  span?: Span
  /** It is the filter that is wrong, and not the server. */
  filter: boolean
}

interface Page<T> {
  rows: T[]
  total: number
}

export class Pages<T> {
  /** Null: nothing is known yet. */
  total = $state<number | null>(null)
  problem = $state.raw<ListProblem | null>(null)
  private pages = $state.raw<ReadonlyMap<number, T[]>>(new Map())
  private asked = new Map<number, AbortController>()
  private shown: [number, number] = [0, 0]
  /** Counts changes of the question. An answer to an older one is dropped. */
  private question = 0

  constructor(
    private fetch: (offset: number, limit: number, signal: AbortSignal) => Promise<Page<T>>,
    private size = 100,
  ) {}

  row(index: number): T | undefined {
    return this.pages.get(Math.floor(index / this.size))?.[index % this.size]
  }

  /** Rows that were fetched, in order. */
  *known(): Generator<T> {
    for (const page of [...this.pages.keys()].sort((a, b) => a - b)) yield* this.pages.get(page) ?? []
  }

  /** Rows `from..to` are in view. */
  show(from: number, to: number): void {
    this.shown = [from, to]
    for (const page of this.wanted()) if (!this.pages.has(page) && !this.asked.has(page)) void this.load(page)
  }

  /** Asks again; `anew` when the question is another one, so that old rows mean nothing any more. */
  reload(anew = false): void {
    this.question += 1
    for (const abort of this.asked.values()) abort.abort()
    this.asked.clear()
    if (anew) this.shown = [0, 0]
    const wanted = this.wanted()
    // Pages out of view may be stale: they are fetched when they come into view.
    this.pages = new Map([...this.pages].filter(([page]) => wanted.includes(page)))
    for (const page of wanted) void this.load(page, anew)
  }

  private wanted(): number[] {
    const first = Math.floor(this.shown[0] / this.size)
    const last = Math.floor(Math.max(this.shown[0], this.shown[1] - 1) / this.size)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  }

  private async load(page: number, alone = false): Promise<void> {
    const abort = new AbortController()
    const question = this.question
    this.asked.set(page, abort)
    try {
      const { rows, total } = await this.fetch(page * this.size, this.size, abort.signal)
      if (question !== this.question) return
      this.pages = new Map([...(alone ? [] : this.pages), [page, rows]])
      this.total = total
      this.problem = null
    } catch (error) {
      if (isAbort(error) || question !== this.question) return
      const span = error instanceof ApiFailure ? error.span : undefined
      const filter = error instanceof ApiFailure && error.status === 400
      this.problem = { ...describe(error), span, filter }
    } finally {
      if (this.asked.get(page) === abort) this.asked.delete(page)
    }
  }
}
