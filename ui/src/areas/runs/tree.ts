// Rows of a paged tree as one long list: which row stands at a position, and which pages are missing.
// Only what was looked at is here; the server keeps the rest.

import type { Table, TableRow } from '../../api/types'

export const PAGE = 100

export interface Level {
  /** Null for the roots. */
  parent: string | null
  depth: number
  total: number
  rows: Map<number, TableRow>
  /** Pages whose rows are as the server has them. */
  fresh: Set<number>
  children: Map<string, Level>
  /** Expanded rows in order, until something changes. */
  opened: { index: number; child: Level }[] | null
}

export interface Spot {
  level: Level
  index: number
  row: TableRow | null
}

export function newLevel(parent: string | null, depth: number): Level {
  return { parent, depth, total: 0, rows: new Map(), fresh: new Set(), children: new Map(), opened: null }
}

/** Expanded rows of a level by position. */
function open(level: Level): { index: number; child: Level }[] {
  if (level.opened) return level.opened
  const result: { index: number; child: Level }[] = []
  const seen = new Set<string>()
  const rows = level.children.size === 0 ? [] : [...level.rows]
  for (const [index, row] of rows.sort((a, b) => a[0] - b[0])) {
    const child = level.children.get(row.run_id)
    if (!child || seen.has(row.run_id) || index >= level.total) continue
    seen.add(row.run_id)
    result.push({ index, child })
  }
  level.opened = result
  return result
}

export function setChild(level: Level, runId: string, child: Level): void {
  level.children.set(runId, child)
  level.opened = null
}

export function dropChild(level: Level, runId: string): void {
  level.children.delete(runId)
  level.opened = null
}

export function countRows(level: Level): number {
  return level.total + open(level).reduce((sum, { child }) => sum + countRows(child), 0)
}

export function spotAt(level: Level, position: number): Spot | null {
  let rest = position
  let index = 0
  for (const { index: at, child } of open(level)) {
    const until = at - index
    if (rest <= until) break
    rest -= until + 1
    index = at + 1
    const size = countRows(child)
    if (rest < size) return spotAt(child, rest)
    rest -= size
  }
  index += rest
  if (index >= level.total) return null
  return { level, index, row: level.rows.get(index) ?? null }
}

/** Position of a loaded run in the long list; -1 when it is not loaded. */
export function positionOf(level: Level, runId: string): number {
  let before = 0
  const opened = open(level)
  for (const [index, row] of [...level.rows].sort((a, b) => a[0] - b[0])) {
    if (row.run_id !== runId || index >= level.total) continue
    return index + opened.filter((o) => o.index < index).reduce((sum, { child }) => sum + countRows(child), 0)
  }
  for (const { index, child } of opened) {
    const inside = positionOf(child, runId)
    if (inside >= 0) return index + 1 + before + inside
    before += countRows(child)
  }
  return -1
}

/** Takes in a page; rows of other pages stay until they are looked at again. */
export function putPage(level: Level, page: number, table: Table): void {
  level.total = table.total
  level.opened = null
  for (let i = 0; i < PAGE; i++) level.rows.delete(page * PAGE + i)
  table.rows.forEach((row, i) => level.rows.set(page * PAGE + i, row))
  for (const index of [...level.rows.keys()]) if (index >= table.total) level.rows.delete(index)
  level.fresh.add(page)
}

/** True when the page would put other runs, or the same ones elsewhere. */
export function pageMoves(level: Level, page: number, table: Table): boolean {
  if (table.total !== level.total) return true
  return table.rows.some((row, i) => level.rows.get(page * PAGE + i)?.run_id !== row.run_id)
}

/** Takes in only what changed within rows that are already here, wherever they stand. */
export function patchRows(level: Level, table: Table): void {
  const fresh = new Map(table.rows.map((row) => [row.run_id, row]))
  for (const [index, row] of level.rows) {
    const next = fresh.get(row.run_id)
    if (next) level.rows.set(index, next)
  }
}

/** Marks every page as out of date: its rows stay until it is looked at again. */
export function forget(level: Level): void {
  level.fresh.clear()
  for (const child of level.children.values()) forget(child)
}
