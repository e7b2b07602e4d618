import { expect, test } from 'vitest'
import {
  formatAgo,
  formatBytes,
  formatCell,
  formatDuration,
  formatNumber,
  middleEllipsis,
  toNumber,
} from '../src/design/format'
import { logSplits, relativeTick, stepTick, valueTicks } from '../src/charts/axis'

test.each([
  [0, '0'],
  [0.19341234, '0.1934'],
  [0.5, '0.5'],
  [1, '1'],
  [12345, '12,345'],
  [12345.678, '12,346'],
  [123.456, '123.5'],
  [-0.25, '−0.25'],
  [3e-4, '0.0003'],
  [3e-5, '3e-5'],
  [1.23456e-7, '1.235e-7'],
  [1e12, '1e12'],
  [NaN, 'NaN'],
  [Infinity, '∞'],
  [-Infinity, '−∞'],
])('%d has four significant digits: %s', (value, text) => {
  expect(formatNumber(value)).toBe(text)
})

test('cells show numbers, texts, and numbers that are not finite', () => {
  expect(formatCell(0.123456)).toBe('0.1235')
  expect(formatCell('gbm')).toBe('gbm')
  expect(formatCell('-Infinity')).toBe('−∞')
  expect(formatCell(null)).toBe('')
  expect(toNumber('NaN')).toBeNaN()
  expect(toNumber('-Infinity')).toBe(-Infinity)
  expect(toNumber(null)).toBeNaN()
})

test.each([
  [250, '250 ms'],
  [4200, '4.2 s'],
  [59_600, '60 s'],
  [90_000, '1 m 30 s'],
  [3_661_000, '1 h 1 m'],
  [90_000_000, '1 d 1 h'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test('times ago, sizes, long names', () => {
  expect(formatAgo(0, 61_000)).toBe('1 min ago')
  expect(formatAgo(10, 5)).toBe('now')
  expect(formatBytes(999)).toBe('999 B')
  expect(formatBytes(1_540_000)).toBe('1.54 MB')
  expect(middleEllipsis('abcdefghij', 5)).toBe('ab…ij')
  expect(middleEllipsis('abc', 5)).toBe('abc')
})

test('ticks', () => {
  expect([0, 1500, 20_000, 3e6].map(stepTick)).toEqual(['0', '1500', '20k', '3M'])
  expect([0, 30, 90, 7200].map(relativeTick)).toEqual(['0', '30 s', '1:30', '2 h'])
  expect(valueTicks([0, 0.05, 0.1])).toEqual(['0.00', '0.05', '0.10'])
  expect(valueTicks([0, 0.25, 0.5])).toEqual(['0.00', '0.25', '0.50'])
  expect(valueTicks([0.15, 0.2])).toEqual(['0.15', '0.20'])
  expect(logSplits(0.001, 1000)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000])
  const narrow = logSplits(0.21, 0.34)
  expect(narrow.length).toBeGreaterThan(2)
  expect(narrow.every((v) => v >= 0.21 && v <= 0.34)).toBe(true)
})
