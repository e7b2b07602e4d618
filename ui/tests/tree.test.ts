import { expect, test } from 'vitest'
import {
  BLOCK,
  cellOf,
  countLines,
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
  type Page,
  type RunLine,
} from '../src/areas/runs/tree'

const line = (id: string, name = id, cells: (number | null)[] = [], from = 0): RunLine => ({
  kind: 'run',
  id,
  row: {
    run_id: id,
    experiment_id: '1',
    name,
    state: 'succeeded',
    lifecycle: 'active',
    child_count: 0,
    matches: true,
  },
  cells: inBlocks(cells, from),
  extras: [],
})
const page = (ids: string[], total = ids.length): Page => ({
  lines: ids.map((id) => line(id)),
  total,
  from: 0,
  to: 0,
})
const ids = (prefix: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}${from + i}`)
const level = (content: Page, depth = 0, parent = ''): Level => {
  const made = newLevel(parent ? { kind: 'children', runId: parent } : { kind: 'top' }, parent, depth)
  putPage(made, 0, content)
  return made
}
const nameAt = (root: Level, at: number) => {
  const found = spotAt(root, at)?.line
  return found?.kind === 'run' ? found.row.name : '?'
}
const names = (root: Level) =>
  Array.from({ length: countLines(root) }, (_, i) => spotAt(root, i)?.line?.id ?? '?')

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
  expect(countLines(root)).toBe(100_000)
  expect(spotAt(root, 99_999)).toMatchObject({ index: 99_999, line: null })
  putPage(root, 999, page(ids('r', 99_900, PAGE), 100_000))
  expect(spotAt(root, 99_999)?.line?.id).toBe('r99999')
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
  patchLines(root, { ...page(['new']), lines: [line('new'), line('b', 'renamed')] })
  expect(names(root)).toEqual(['a', 'b'])
  expect(nameAt(root, 1)).toBe('renamed')
})

test('a shorter answer leaves no ghosts', () => {
  const root = level(page(['a', 'b', 'c']))
  putPage(root, 0, page(['c']))
  expect(names(root)).toEqual(['c'])
})

test('cells come block by block, and those of other blocks stay', () => {
  const root = level({ ...page(['a']), lines: [line('a', 'a', [1, null])] })
  const cell = (column: number) => {
    const found = spotAt(root, 0)?.line
    return found?.kind === 'run' ? cellOf(found, column) : 'no run'
  }
  expect([cell(0), cell(1), cell(BLOCK)]).toEqual([1, null, undefined])
  expect([isFresh(root, 0, 0), isFresh(root, 0, 1)]).toEqual([true, false])
  putPage(root, 0, { lines: [line('a', 'a', [7], 1)], total: 1, from: 1, to: 1 })
  expect([cell(0), cell(BLOCK)]).toEqual([1, 7])
  expect([isFresh(root, 0, 0), isFresh(root, 0, 1)]).toEqual([true, true])
  // Another run came: what is known of the page's other blocks no longer covers it.
  putPage(root, 0, { lines: [line('new'), line('a', 'a', [2])], total: 2, from: 0, to: 0 })
  expect([isFresh(root, 0, 0), isFresh(root, 0, 1)]).toEqual([true, false])
})

test('a long scroll does not keep every page, but those with open rows', () => {
  const root = level(page(ids('r', 0, PAGE), 100_000))
  setChild(root, 'r5', level(page(['child']), 1, 'r5'))
  for (let at = 1; at < 30; at++) putPage(root, at, page(ids('r', at * PAGE, PAGE), 100_000))
  trim(root, 29, 20)
  expect(root.lines.size).toBe(6 * PAGE + 1)
  expect(spotAt(root, 6)?.line?.id).toBe('child')
  expect(isFresh(root, 0, 0)).toBe(false)
  expect(isFresh(root, 29, 0)).toBe(true)
})
