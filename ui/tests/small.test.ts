import { expect, test } from 'vitest'
import { caretLine } from '../src/areas/runs/caret'
import { parseCsv } from '../src/areas/run/csv'
import { csvField } from '../src/charts/export'

test('the caret stands under the named part', () => {
  expect(caretLine('metrics.x <> 3', { start: 10, end: 12 })).toBe('          ^^')
  expect(caretLine('abc', { start: 3, end: 3 })).toBe('   ^')
  expect(caretLine('🚀 = 1', { start: 3, end: 4 })).toBe('  ^')
  expect(caretLine('ab', { start: 9, end: 99 })).toBe('  ^')
})

test('CSV with quotes, line ends and a limit', () => {
  expect(parseCsv('a,b\r\n"x, ""y""\nz",2\n', ',', 10)).toEqual({
    rows: [
      ['a', 'b'],
      ['x, "y"\nz', '2'],
    ],
    more: false,
  })
  expect(parseCsv('1\n2\n3\n', ',', 2)).toEqual({ rows: [['1'], ['2']], more: true })
  expect(parseCsv('', ',', 2)).toEqual({ rows: [], more: false })
})

test('exported fields are quoted, and formulas are defused', () => {
  expect(csvField('a,"b"')).toBe('"a,""b"""')
  expect(csvField('=1+1')).toBe("'=1+1")
  expect(csvField('-0.5')).toBe('-0.5')
})
