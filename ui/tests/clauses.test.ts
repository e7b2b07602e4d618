import { expect, test } from 'vitest'
import { isSearch, splitAnd, withoutEach } from '../src/areas/runs/clauses'

test('a filter is cut between its parts, and nowhere else', () => {
  expect(splitAnd("a = 'x and y' and (b < 1 and c > 2) AND tags.`and` = 'z'")).toEqual([
    "a = 'x and y'",
    '(b < 1 and c > 2)',
    "tags.`and` = 'z'",
  ])
  expect(splitAnd('params.lr between 1 and 2 and b = 1')).toEqual(['params.lr between 1 and 2', 'b = 1'])
  expect(splitAnd('sand = 1')).toEqual(['sand = 1'])
  expect(splitAnd('')).toEqual([])
  expect(withoutEach('a = 1 and b = 2')).toEqual([
    { clause: 'a = 1', rest: 'b = 2' },
    { clause: 'b = 2', rest: 'a = 1' },
  ])
})

test.each([
  ['seed-3', true],
  ['big model', true],
  ['/seed-\\d+/', true],
  ['v1.2', true],
  ['metrics.', false],
  ['metrics.loss', false],
  ['loss < 3', false],
  ["name like 'a%'", false],
  ['not x', false],
])('%s is words to look for: %s', (text, search) => {
  expect(isSearch(text)).toBe(search)
})
