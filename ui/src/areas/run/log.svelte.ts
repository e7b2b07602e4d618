// One log: which lines are at hand, where its end is, and which lines match what is searched for.

import { SvelteMap } from 'svelte/reactivity'
import { api, describe, isAbort } from '../../api/client'
import type { LogFind, LogLine, LogMatches, LogPage } from '../../api/types'

const BLOCK = 500
const KEPT_BLOCKS = 40
const TAIL = 500
const MOST_MATCHES = 10_000
const COUNTING_PAUSE_MS = 60

/** Where lines come from: a file of a run, or what a job printed. */
export interface LogSource {
  lines(first: number | null, count: number): Promise<LogPage>
  search(find: LogFind, from: number, limit: number, signal?: AbortSignal): Promise<LogMatches>
  /** The one stream that the lines come from; lines are counted among its own then. */
  part?: string
}

export function runLog(runId: string, path: string): LogSource {
  return {
    lines: (first, count) => api.log(runId, { path, first_line: first, count }),
    search: (find, from, limit, signal) =>
      api.searchLog(runId, { path, find, from_line: from, limit }, signal),
  }
}

export class LogModel {
  lineCount = $state(0)
  sizeBytes = $state(0)
  indexedBytes = $state(0)
  modifiedMs = $state(0)
  /** Last lines of a file that is too large to have been counted at once. */
  provisional = $state.raw<LogLine[] | null>(null)
  loaded = $state(false)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)

  matches = $state.raw<number[]>([])
  /** Place in `matches`; -1 for none. */
  match = $state(-1)
  searching = $state(false)
  searchProblem = $state('')
  moreMatches = $state(false)

  private blocks = new SvelteMap<number, LogLine[]>()
  private asked = new Set<number>()
  private stopped = false
  private tailing = false
  private search: AbortController | null = null

  constructor(readonly source: LogSource) {}

  stop(): void {
    this.stopped = true
    this.search?.abort()
  }

  line(number: number): LogLine | undefined {
    return this.blocks.get(Math.floor(number / BLOCK))?.[number % BLOCK]
  }

  /** Reads the end of the file; goes on until all lines are counted. */
  async readEnd(): Promise<void> {
    if (this.tailing || this.stopped) return
    this.tailing = true
    try {
      for (;;) {
        const page = await this.source.lines(null, TAIL)
        if (this.stopped) return
        this.problem = null
        this.sizeBytes = page.size_bytes
        this.indexedBytes = page.indexed_bytes
        this.modifiedMs = page.modified_ms
        if (page.first_line === null || page.first_line === undefined) {
          this.provisional = page.lines
          this.loaded = true
          await new Promise((resolve) => setTimeout(resolve, COUNTING_PAUSE_MS))
          continue
        }
        // A file that was replaced by a shorter one is another file.
        if (page.line_count < this.lineCount) this.blocks.clear()
        this.put(page.first_line, page.lines, page.line_count)
        this.provisional = null
        this.lineCount = page.line_count
        this.loaded = true
        return
      }
    } catch (error) {
      this.problem = describe(error)
      this.loaded = true
    } finally {
      this.tailing = false
    }
  }

  /** Keeps the blocks that a piece of the file covers. */
  private put(first: number, lines: LogLine[], count: number): void {
    for (let block = Math.floor(first / BLOCK); block * BLOCK < first + lines.length; block++) {
      const from = block * BLOCK
      const known = this.blocks.get(block) ?? []
      const merged = known.slice(0, Math.max(0, Math.min(known.length, first - from)))
      // Only what joins up; the rest is asked for when it is looked at.
      if (from + merged.length < first) continue
      merged.push(...lines.slice(Math.max(0, from - first), from + BLOCK - first))
      if (merged.length === Math.min(BLOCK, count - from)) this.blocks.set(block, merged)
      else this.blocks.delete(block)
    }
    this.forget(Math.floor(first / BLOCK))
  }

  private forget(near: number): void {
    if (this.blocks.size <= KEPT_BLOCKS) return
    const far = [...this.blocks.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near))
    for (const block of far.slice(0, this.blocks.size - KEPT_BLOCKS)) this.blocks.delete(block)
  }

  /** Makes sure that lines come which are about to be seen. */
  want(first: number, last: number): void {
    for (let block = Math.floor(first / BLOCK); block <= Math.floor(last / BLOCK); block++) {
      const expected = Math.min(BLOCK, this.lineCount - block * BLOCK)
      if (expected <= 0 || this.asked.has(block) || this.blocks.get(block)?.length === expected) continue
      void this.fetch(block)
    }
  }

  private async fetch(block: number): Promise<void> {
    this.asked.add(block)
    try {
      const page = await this.source.lines(block * BLOCK, BLOCK)
      if (this.stopped) return
      this.blocks.set(block, page.lines)
      this.forget(block)
      this.problem = null
    } catch (error) {
      this.problem = describe(error)
    } finally {
      // A block that failed is asked for again, but not at once.
      setTimeout(() => this.asked.delete(block), this.problem ? 2000 : 0)
    }
  }

  /** Finds matching lines, and the first one from `near` on. */
  async find(find: LogFind, near: number): Promise<void> {
    this.search?.abort()
    const search = new AbortController()
    this.search = search
    this.searching = true
    this.searchProblem = ''
    this.moreMatches = false
    const found: number[] = []
    let from: number | null | undefined = 0
    try {
      while (from !== null && from !== undefined && found.length < MOST_MATCHES) {
        const page: { lines: number[]; next_line?: number | null } = await this.source.search(
          find,
          from,
          MOST_MATCHES - found.length,
          search.signal,
        )
        found.push(...page.lines)
        if (page.next_line === from && page.lines.length === 0) break
        from = page.next_line
      }
      this.matches = found
      this.moreMatches = from !== null && from !== undefined
      const next = found.findIndex((line) => line >= near)
      this.match = found.length === 0 ? -1 : next < 0 ? 0 : next
    } catch (error) {
      if (isAbort(error)) return
      this.matches = []
      this.match = -1
      this.searchProblem = describe(error).message
    } finally {
      if (this.search === search) this.searching = false
    }
  }

  clearMatches(): void {
    this.search?.abort()
    this.matches = []
    this.match = -1
    this.searchProblem = ''
    this.moreMatches = false
  }

  step(by: number): void {
    if (this.matches.length === 0) return
    this.match = (this.match + by + this.matches.length) % this.matches.length
  }

  async firstError(): Promise<number | null> {
    let from: number | null | undefined = 0
    while (from !== null && from !== undefined) {
      const page: { lines: number[]; next_line?: number | null } = await this.source.search(
        { kind: 'errors' },
        from,
        1,
      )
      if (page.lines[0] !== undefined) return page.lines[0]
      if (page.next_line === from) break
      from = page.next_line
    }
    return null
  }

  /** Text to copy: everything when that is little, else lines from `first` on. */
  async text(first: number): Promise<{ text: string; lines: number; whole: boolean }> {
    const whole = this.lineCount <= 2000
    const page = await this.source.lines(whole ? 0 : first, 2000)
    // eslint-disable-next-line no-control-regex
    const plain = page.lines.map((line) => line.text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, ''))
    return { text: plain.join('\n') + '\n', lines: page.lines.length, whole }
  }
}
