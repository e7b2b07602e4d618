import { expect, test } from 'vitest'
import { caretLine } from '../src/areas/runs/caret'
import { csvField } from '../src/charts/export'
import { nearest, readings, toLines, yLimits } from '../src/charts/lines'
import { sections } from '../src/charts/sections'
import type { SeriesEntry } from '../src/api/series'

const entry = (request: number, x: number[], y: number[], smoothed = false): SeriesEntry => ({
  request,
  smoothed,
  thinned: false,
  total: x.length,
  xMin: x[0] ?? NaN,
  xMax: x[x.length - 1] ?? NaN,
  yMin: NaN,
  yMax: NaN,
  nonFinite: y.filter((v) => !Number.isFinite(v)).length,
  x: Float64Array.from(x),
  y: Float64Array.from(y),
})
const runs = [
  { runId: 'r0', name: 'zero' },
  { runId: 'r1', name: 'one' },
  { runId: 'r2', name: 'two' },
]

test('the caret stands under the named part', () => {
  expect(caretLine('metrics.x <> 3', { start: 10, end: 12 })).toBe('          ^^')
  expect(caretLine('abc', { start: 3, end: 3 })).toBe('   ^')
  expect(caretLine('🚀 = 1', { start: 3, end: 4 })).toBe('  ^')
  expect(caretLine('ab', { start: 9, end: 99 })).toBe('  ^')
})

test('the nearest point', () => {
  const xs = Float64Array.from([0, 10, 20])
  expect([-5, 4, 6, 14, 16, 99].map((at) => nearest(xs, at))).toEqual([0, 0, 1, 1, 2, 2])
  expect(nearest(new Float64Array(), 1)).toBe(-1)
})

test('lines take their smoothed twin, and runs without the metric have no line', () => {
  const lines = toLines(runs, [
    entry(0, [0, 1], [1, 2]),
    entry(0, [0, 1], [1, 1.5], true),
    entry(1, [], []),
    entry(2, [0], [5]),
  ])
  expect(lines.map((line) => line.name)).toEqual(['zero', 'two'])
  expect([...(lines[0]?.smooth?.y ?? [])]).toEqual([1, 1.5])
})

test('readings are in the order on screen, and lines that ended are left out', () => {
  const lines = toLines(runs, [
    entry(0, [0, 1, 2], [1, NaN, 1]),
    entry(1, [0, 1, 2], [3, 4, 5]),
    entry(2, [0], [9]),
  ])
  expect(readings(lines, 1, 0.2).map((row) => row.runId)).toEqual(['r1', 'r0'])
  expect(readings(lines, 0, 0.2).map((row) => row.value)).toEqual([9, 3, 1])
})

test('limits leave out what cannot be drawn', () => {
  const lines = toLines(runs, [entry(0, [0, 1, 2, 3], [-5, 1, 100, Infinity])])
  const linear = yLimits(lines, 0, 3, false)
  expect(linear?.min).toBeLessThan(-5)
  expect(linear?.max).toBeGreaterThan(100)
  const log = yLimits(lines, 0, 3, true)
  expect(log?.min).toBeGreaterThan(0)
  expect(yLimits(lines, 10, 20, false)).toBeNull()
})

test('charts are grouped by the first part of the name', () => {
  const list = sections(
    ['system/cpu', 'train/loss', 'loss', 'train/acc', 'auc'].map((key) => ({
      key,
      is_curve: key !== 'auc',
    })),
    '',
  )
  expect(list.map((section) => [section.name, section.items.map((item) => item.title)])).toEqual([
    ['metrics', ['loss', 'auc']],
    ['train', ['acc', 'loss']],
    ['system', ['cpu']],
  ])
  expect(sections([{ key: 'train/loss', is_curve: true }], '/^val/')).toEqual([])
  expect(sections([{ key: 'train/loss', is_curve: true }], '/[/')).toHaveLength(1)
})

test('exported fields are quoted, and formulas are defused', () => {
  expect(csvField('a,"b"')).toBe('"a,""b"""')
  expect(csvField('=1+1')).toBe("'=1+1")
  expect(csvField('-0.5')).toBe('-0.5')
})
