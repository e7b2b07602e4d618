import { describe, expect, test } from 'vitest'
import {
  decodeMatrix,
  MATRIX_MAGIC,
  MatrixFormatError,
  withoutRuns,
  type MatrixColumn,
} from '../src/api/matrix'
import type { ColumnRef } from '../src/api/types'
import { spread } from '../src/charts/kinds/groups'
import { binned, boxOf, extent, heat, padded, quantile, trend } from '../src/charts/kinds/numbers'
import {
  brushFilter,
  logOption,
  parallelAxis,
  passing,
  placeOn,
  readBrush,
  valueAt,
} from '../src/charts/kinds/parallel'
import { mainMetric, shortLabel } from '../src/charts/kinds/values'

/** Writes what the server writes, from the published layout. */
function encode(head: object, columns: number[][], ids: string): ArrayBuffer {
  let text = JSON.stringify(head)
  while (new TextEncoder().encode(text).length % 8 !== 0) text += ' '
  const headBytes = new TextEncoder().encode(text)
  const idBytes = new TextEncoder().encode(ids)
  const values = columns.flat()
  const buffer = new ArrayBuffer(16 + headBytes.length + values.length * 8 + idBytes.length)
  const view = new DataView(buffer)
  view.setUint32(0, MATRIX_MAGIC, true)
  view.setUint32(4, headBytes.length, true)
  view.setUint32(8, idBytes.length, true)
  new Uint8Array(buffer, 16).set(headBytes)
  values.forEach((value, i) => view.setFloat64(16 + headBytes.length + i * 8, value, true))
  new Uint8Array(buffer, 16 + headBytes.length + values.length * 8).set(idBytes)
  return buffer
}

const HEAD = {
  matching: 9,
  run_count: 3,
  columns: [
    { text_count: 0, missing: 1, not_finite: 1 },
    { texts: ['é"', '🚢'], text_count: 2, missing: 0, not_finite: 0 },
  ],
}

describe('the matrix', () => {
  test('is read as it is laid out', () => {
    const matrix = decodeMatrix(
      encode(
        HEAD,
        [
          [0.5, NaN, Infinity],
          [1, 0, 1],
        ],
        'a\nb\nc',
      ),
    )
    expect(matrix.runIds).toEqual(['a', 'b', 'c'])
    expect(matrix.matching).toBe(9)
    expect([...(matrix.columns[0]?.values ?? [])]).toEqual([0.5, NaN, Infinity])
    expect(matrix.columns[1]?.texts).toEqual(['é"', '🚢'])
    expect(matrix.columns[0]?.notFinite).toBe(1)
    const fewer = withoutRuns(matrix, new Set(['b']))
    expect(fewer.runIds).toEqual(['a', 'c'])
    expect([...(fewer.columns[1]?.values ?? [])]).toEqual([1, 1])
  })

  test('of no runs has no ids', () => {
    const none = decodeMatrix(encode({ matching: 0, run_count: 0, columns: [] }, [], ''))
    expect(none.runIds).toEqual([])
  })

  test('that is not one, is refused', () => {
    expect(() => decodeMatrix(new ArrayBuffer(3))).toThrow(MatrixFormatError)
    expect(() => decodeMatrix(new ArrayBuffer(64))).toThrow(MatrixFormatError)
    const good = encode(
      HEAD,
      [
        [0, 1, 2],
        [1, 0, 1],
      ],
      'a\nb\nc',
    )
    expect(() => decodeMatrix(good.slice(0, -9))).toThrow(MatrixFormatError)
  })
})

describe('numbers', () => {
  test('limits pass over what has no place', () => {
    expect(extent([NaN, 3, -1, Infinity])).toEqual([-1, 3])
    expect(extent([-1, 0, 5, 2], true)).toEqual([2, 5])
    expect(extent([NaN])).toBeNull()
    expect(padded([2, 2])).toEqual([1.8, 2.2])
    expect(padded([0, 0])).toEqual([-1, 1])
  })

  test('boxes are those of Tukey', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5)
    const box = boxOf([7, 1, 2, 3, 4, 5, 6, NaN, 100])
    expect(box).toEqual({ count: 8, low: 1, q1: 2.75, median: 4.5, q3: 6.25, high: 7, outliers: [100] })
    expect(boxOf([NaN])).toBeNull()
    expect(boxOf([3])?.outliers).toEqual([])
  })

  test('a trend is the line through points that lie on one', () => {
    const line = trend([1, 2, 3, 4, NaN], [3, 5, 7, 9, 0])
    expect(line?.slope).toBeCloseTo(2)
    expect(line?.intercept).toBeCloseTo(1)
    expect(line?.r).toBeCloseTo(1)
    const log = trend([1, 10, 100], [1, 2, 3], true)
    expect(log?.slope).toBeCloseTo(1)
    expect(trend([1, 1, 1], [1, 2, 3])).toBeNull()
    expect(trend([1, 2], [1, 2])).toBeNull()
  })

  test('few values are cells of their own, many share cells', () => {
    const few = binned(Float64Array.of(8, 2, 8, NaN), false, 4, String)
    expect(few.labels).toEqual(['2', '8'])
    expect([2, 8, 5].map(few.cell)).toEqual([0, 1, -1])
    const many = binned(
      Float64Array.from({ length: 101 }, (_, i) => i),
      false,
      4,
      String,
    )
    expect(many.labels).toEqual(['0 – 25', '25 – 50', '50 – 75', '75 – 100'])
    expect([0, 24.9, 25, 100, NaN].map(many.cell)).toEqual([0, 0, 1, 3, -1])
    const log = binned(
      Float64Array.from({ length: 50 }, (_, i) => 10 ** ((i / 49) * 4)),
      true,
      4,
      String,
    )
    expect([1, 9, 11, 9_999, 0, -1].map(log.cell)).toEqual([0, 0, 1, 3, -1, -1])
  })

  test('cells hold the mean of their runs', () => {
    const axis = binned(Float64Array.of(1, 2), false, 4, String)
    const cells = heat(
      Float64Array.of(1, 1, 2, 1),
      Float64Array.of(1, 1, 2, 2),
      Float64Array.of(4, 6, 1, NaN),
      axis,
      axis,
    )
    expect(cells).toEqual([
      { x: 0, y: 0, mean: 5, count: 2 },
      { x: 1, y: 1, mean: 1, count: 1 },
    ])
  })

  test('a group is told by its finite members', () => {
    expect(spread([1, 3, NaN])).toEqual({ count: 2, mean: 2, std: Math.SQRT2, min: 1, max: 3 })
    expect(spread([])).toBeNull()
  })
})

describe('parallel coordinates', () => {
  const column = (values: number[], texts: string[] | null = null): MatrixColumn => ({
    values: Float64Array.from(values),
    texts,
    textCount: texts?.length ?? 0,
    missing: 0,
    notFinite: 0,
  })
  const lr: ColumnRef = { kind: 'param', key: 'lr' }
  const loss: ColumnRef = { kind: 'metric', key: 'val/loss', reduce: 'last' }
  const made = (ref: ColumnRef, of: MatrixColumn, options: Record<string, string | boolean> = {}) => {
    const axis = parallelAxis(ref, of, options)
    if (!axis) throw new Error('no axis')
    return axis
  }

  test('places and values are each other’s inverse, on every scale', () => {
    for (const options of [{}, { [logOption(lr)]: true }, { 'flip p:lr': true }]) {
      const axis = made(lr, column([0.001, 1, 0.1]), options)
      for (const value of [0.001, 0.01, 1]) expect(valueAt(axis, placeOn(axis, value))).toBeCloseTo(value, 9)
    }
    expect(placeOn(made(lr, column([-1, 1]), { [logOption(lr)]: true }), -1)).toBeNaN()
    expect(placeOn(made(lr, column([5, 5])), 5)).toBe(0.5)
    expect(parallelAxis(lr, column([NaN]), {})).toBeNull()
  })

  test('a brush lets through what lies in it', () => {
    const axes = [made(loss, column([1, 2, NaN, 3]), { 'brush m:val%2Floss': '1.5 3' })]
    expect(passing(axes, 4)).toEqual([false, true, false, true])
    expect(passing([], 2)).toEqual([true, true])
    expect(readBrush('2 1')).toBeNull()
    expect(readBrush('x')).toBeNull()
    expect(readBrush(7)).toBeNull()
  })

  test('brushes become a filter', () => {
    const kind: ColumnRef = { kind: 'param', key: 'my kind' }
    const axes = [
      made(loss, column([1, 2]), { 'brush m:val%2Floss': '1.5 3' }),
      made(kind, column([0, 1, 2], ['a', 'b', 'c']), { 'brush p:my%20kind': '1 2' }),
    ]
    expect(brushFilter(axes, ['x'])).toBe(
      "metrics.`val/loss` >= 1.5 and metrics.`val/loss` <= 3 and params.`my kind` IN ('b', 'c')",
    )
    // Params that are numbers are texts to the filter, so the runs are named.
    const number = made(lr, column([1, 2]), { 'brush p:lr': '1 1' })
    expect(brushFilter([number], ['x', 'y'])).toBe("attributes.run_id IN ('x', 'y')")
    expect(brushFilter([number], Array.from({ length: 501 }, String))).toBeNull()
    const quote = made(kind, column([0], ["it's"]), { 'brush p:my%20kind': '0 0' })
    expect(brushFilter([quote], ['x'])).toBe("attributes.run_id IN ('x')")
  })
})

test('long names keep both ends, and the metric that matters comes first', () => {
  expect(shortLabel('a'.repeat(20) + 'b'.repeat(20), 9)).toBe('aaaa…bbbb')
  const info = (key: string, run_count: number) =>
    ({ kind: 'metric', key, run_count, is_curve: true, numeric: true, varies: true }) as const
  expect(mainMetric([info('system/cpu', 9), info('train/loss', 9), info('val/loss', 3)])?.key).toBe(
    'val/loss',
  )
  expect(mainMetric([])).toBeNull()
})
