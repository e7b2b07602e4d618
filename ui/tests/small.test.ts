import { expect, test } from 'vitest'
import { caretLine } from '../src/areas/runs/caret'
import { csvField } from '../src/charts/export'

test('the caret stands under the named part', () => {
  expect(caretLine('metrics.x <> 3', { start: 10, end: 12 })).toBe('          ^^')
  expect(caretLine('abc', { start: 3, end: 3 })).toBe('   ^')
  expect(caretLine('🚀 = 1', { start: 3, end: 4 })).toBe('  ^')
  expect(caretLine('ab', { start: 9, end: 99 })).toBe('  ^')
})

test('exported fields are quoted, and formulas are defused', () => {
  expect(csvField('a,"b"')).toBe('"a,""b"""')
  expect(csvField('=1+1')).toBe("'=1+1")
  expect(csvField('-0.5')).toBe('-0.5')
})
