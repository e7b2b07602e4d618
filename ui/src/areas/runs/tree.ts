// Rows of a paged tree as one long list: which row stands at a position, and which pages are missing. A page is
// fetched for some of its columns at a time. Only what was looked at is here; the server keeps the rest.

import type { CellValue, TableRow } from '../../api/types'

export const PAGE = 100
/** Columns that are fetched together. */
export const BLOCK = 48

/** A run, with the blocks of cells that were fetched so far. */
export interface RunLine {
  kind: 'run'
  id: string
  row: Omit<TableRow, 'cells'>
  cells: ((CellValue | null)[] | undefined)[]
  /** Values that are always fetched: see `Extras`. */
  extras: (CellValue | null)[]
}

/** What the members of a group have in one column. */
export interface GroupValue {
  n: number
  mean?: number | null
  std?: number | null
  min?: number | null
  max?: number | null
  text?: string | null
}

/** Runs that agree in what they are grouped by. */
export interface GroupLine {
  kind: 'group'
  id: string
  key: (CellValue | null)[]
  runCount: number
  runningCount: number
  failedCount: number
  cells: ((GroupValue | null)[] | undefined)[]
}

export type Line = RunLine | GroupLine

export type Source =
  /** What the table starts with: runs without a parent, every run, or groups. */
  | { kind: 'top' }
  | { kind: 'children'; runId: string }
  | { kind: 'members'; key: (CellValue | null)[] }
  /** Named runs, in the order that they are named. */
  | { kind: 'named'; ids: string[] }

/** A page of lines with the cells of the blocks from `from` to `to`. */
export interface Page {
  lines: Line[]
  total: number
  from: number
  to: number
}

export interface Level {
  source: Source
  /** Empty for the top. */
  parent: string
  depth: number
  total: number
  lines: Map<number, Line>
  /** Blocks of pages that are as the server has them, as `page * BLOCKS + block`. */
  fresh: Set<number>
  children: Map<string, Level>
  /** Expanded lines in order, until something changes. */
  opened: { index: number; child: Level }[] | null
}

export interface Spot {
  level: Level
  index: number
  line: Line | null
}

/** More blocks than a table can have. */
const BLOCKS = 4096
const tick = (page: number, block: number) => page * BLOCKS + block

export function newLevel(source: Source, parent = '', depth = 0): Level {
  return {
    source,
    parent,
    depth,
    total: 0,
    lines: new Map(),
    fresh: new Set(),
    children: new Map(),
    opened: null,
  }
}

export const isFresh = (level: Level, page: number, block: number): boolean =>
  level.fresh.has(tick(page, block))

/** How many lines stand below this one. */
export const below = (line: Line): number => (line.kind === 'run' ? line.row.child_count : line.runCount)

/** Expanded lines of a level by position. */
function open(level: Level): { index: number; child: Level }[] {
  if (level.opened) return level.opened
  const result: { index: number; child: Level }[] = []
  const seen = new Set<string>()
  const lines = level.children.size === 0 ? [] : [...level.lines]
  for (const [index, line] of lines.sort((a, b) => a[0] - b[0])) {
    const child = level.children.get(line.id)
    if (!child || seen.has(line.id) || index >= level.total) continue
    seen.add(line.id)
    result.push({ index, child })
  }
  level.opened = result
  return result
}

export function setChild(level: Level, id: string, child: Level): void {
  level.children.set(id, child)
  level.opened = null
}

export function dropChild(level: Level, id: string): void {
  level.children.delete(id)
  level.opened = null
}

export function countLines(level: Level): number {
  return level.total + open(level).reduce((sum, { child }) => sum + countLines(child), 0)
}

export function spotAt(level: Level, position: number): Spot | null {
  let rest = position
  let index = 0
  for (const { index: at, child } of open(level)) {
    const until = at - index
    if (rest <= until) break
    rest -= until + 1
    index = at + 1
    const size = countLines(child)
    if (rest < size) return spotAt(child, rest)
    rest -= size
  }
  index += rest
  if (index >= level.total) return null
  return { level, index, line: level.lines.get(index) ?? null }
}

/** Position of a loaded line in the long list; -1 when it is not loaded. */
export function positionOf(level: Level, id: string): number {
  let before = 0
  const opened = open(level)
  for (const [index, line] of level.lines) {
    if (line.id !== id || index >= level.total) continue
    return (
      index + opened.filter((o) => o.index < index).reduce((sum, { child }) => sum + countLines(child), 0)
    )
  }
  for (const { index, child } of opened) {
    const inside = positionOf(child, id)
    if (inside >= 0) return index + 1 + before + inside
    before += countLines(child)
  }
  return -1
}

/** One cell: `undefined` is not fetched yet, `null` is empty. */
export function cellOf(line: RunLine, column: number): CellValue | null | undefined
export function cellOf(line: GroupLine, column: number): GroupValue | null | undefined
export function cellOf(line: Line, column: number): unknown {
  const block = line.cells[Math.floor(column / BLOCK)]
  return block && (block[column % BLOCK] ?? null)
}

/** The cells of an answer that starts with the block `from`, by block. */
export function inBlocks<T>(cells: T[], from: number): (T[] | undefined)[] {
  const blocks: (T[] | undefined)[] = []
  for (let i = 0; i * BLOCK < cells.length; i++) blocks[from + i] = cells.slice(i * BLOCK, (i + 1) * BLOCK)
  return blocks
}

/** The fresh line, with the blocks that only the old one has. */
function merge(old: Line | undefined, next: Line, from: number, to: number): Line {
  if (!old || old.kind !== next.kind) return next
  const cells = old.cells.slice()
  for (let block = from; block <= to; block++) cells[block] = next.cells[block]
  return { ...next, cells } as Line
}

/** Takes in a page; lines of other pages stay until they are looked at again. */
export function putPage(level: Level, page: number, { lines, total, from, to }: Page): void {
  const known = new Map<string, Line>()
  let moved = level.total !== total
  for (let i = 0; i < PAGE; i++) {
    const old = level.lines.get(page * PAGE + i)
    if (old) known.set(old.id, old)
    if (old?.id !== lines[i]?.id) moved = true
    level.lines.delete(page * PAGE + i)
  }
  level.total = total
  level.opened = null
  lines.forEach((line, i) => level.lines.set(page * PAGE + i, merge(known.get(line.id), line, from, to)))
  for (const index of [...level.lines.keys()]) if (index >= total) level.lines.delete(index)
  // Cells of other blocks may now be missing.
  if (moved)
    for (const mark of [...level.fresh]) if (Math.floor(mark / BLOCKS) === page) level.fresh.delete(mark)
  for (let block = from; block <= to; block++) level.fresh.add(tick(page, block))
}

/** True when the page would put other lines, or the same ones elsewhere. */
export function pageMoves(level: Level, page: number, { lines, total }: Page): boolean {
  if (total !== level.total) return true
  return lines.some((line, i) => level.lines.get(page * PAGE + i)?.id !== line.id)
}

/** Takes in only what changed within lines that are already here, wherever they stand. */
export function patchLines(level: Level, { lines, from, to }: Page): void {
  const fresh = new Map(lines.map((line) => [line.id, line]))
  for (const [index, old] of level.lines) {
    const next = fresh.get(old.id)
    if (next) level.lines.set(index, merge(old, next, from, to))
  }
}

/** Lets go of pages far from the one in view, or a long scroll would fill the memory. */
export function trim(level: Level, page: number, most: number): void {
  if (level.lines.size <= most * PAGE) return
  const kept = new Set([...level.children.keys()])
  for (const [index, line] of level.lines) {
    const at = Math.floor(index / PAGE)
    if (Math.abs(at - page) <= most / 4 || kept.has(line.id)) continue
    level.lines.delete(index)
  }
  for (const mark of level.fresh) {
    if (Math.abs(Math.floor(mark / BLOCKS) - page) > most / 4) level.fresh.delete(mark)
  }
  level.opened = null
}

/** Marks every page as out of date: its lines stay until it is looked at again. */
export function forget(level: Level): void {
  level.fresh.clear()
  for (const child of level.children.values()) forget(child)
}
