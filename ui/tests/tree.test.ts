import { expect, test } from 'vitest'
import type { Table, TableRow } from '../src/api/types'
import {
  countRows,
  newLevel,
  PAGE,
  pageMoves,
  patchRows,
  positionOf,
  putPage,
  setChild,
  spotAt,
  type Level,
} from '../src/areas/runs/tree'

const row = (run_id: string, name = run_id): TableRow => ({
  run_id,
  experiment_id: '1',
  name,
  state: 'succeeded',
  lifecycle: 'active',
  child_count: 0,
  matches: true,
  cells: [],
})
const page = (ids: string[], total = ids.length): Table => ({
  rows: ids.map((id) => row(id)),
  pinned: [],
  total,
  matching: total,
  in_scope: total,
  nesting: 0,
})
const ids = (prefix: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}${from + i}`)
const level = (table: Table, depth = 0, parent: string | null = null): Level => {
  const made = newLevel(parent, depth)
  putPage(made, 0, table)
  return made
}
const names = (root: Level) =>
  Array.from({ length: countRows(root) }, (_, i) => spotAt(root, i)?.row?.run_id ?? '?')

test('children stand below their parents, at any depth', () => {
  const root = level(page(['a', 'b', 'c']))
  const b = level(page(['b0', 'b1']), 1, 'b')
  setChild(b, 'b0', level(page(['b00']), 2, 'b0'))
  setChild(root, 'b', b)
  setChild(root, 'c', level(page(['c0']), 1, 'c'))
  expect(names(root)).toEqual(['a', 'b', 'b0', 'b00', 'b1', 'c', 'c0'])
  expect(names(root).map((id) => positionOf(root, id))).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(spotAt(root, 3)?.level.depth).toBe(2)
  expect(spotAt(root, 7)).toBeNull()
})

test('rows that were not fetched have a place and no content', () => {
  const root = level(page(ids('r', 0, PAGE), 100_000))
  expect(countRows(root)).toBe(100_000)
  expect(spotAt(root, 99_999)).toMatchObject({ index: 99_999, row: null })
  putPage(root, 999, page(ids('r', 99_900, PAGE), 100_000))
  expect(spotAt(root, 99_999)?.row?.run_id).toBe('r99999')
  expect(positionOf(root, 'r99950')).toBe(99_950)
})

test('a page says whether it would move rows', () => {
  const root = level(page(['a', 'b']))
  expect(pageMoves(root, 0, page(['a', 'b']))).toBe(false)
  expect(pageMoves(root, 0, page(['b', 'a']))).toBe(true)
  expect(pageMoves(root, 0, page(['new', 'a', 'b']))).toBe(true)
})

test('patching changes rows where they stand', () => {
  const root = level(page(['a', 'b']))
  patchRows(root, { ...page(['new']), rows: [row('new'), row('b', 'renamed')] })
  expect(names(root)).toEqual(['a', 'b'])
  expect(spotAt(root, 1)?.row?.name).toBe('renamed')
})

test('a shorter answer leaves no ghosts', () => {
  const root = level(page(['a', 'b', 'c']))
  putPage(root, 0, page(['c']))
  expect(names(root)).toEqual(['c'])
})
