import { expect, test } from 'vitest'
import { decodeSeries, SERIES_MAGIC, SeriesFormatError } from '../src/api/series'

interface Given {
  request: number
  role: number
  flags: number
  total: number
  limits: [number, number, number, number]
  nonFinite: number
  x: number[]
  y: number[]
}

/** Writes what the server writes, field by field, from the published layout. */
function encode(entries: Given[]): ArrayBuffer {
  const points = entries.reduce((sum, entry) => sum + entry.x.length, 0)
  const buffer = new ArrayBuffer(8 + entries.length * 64 + points * 16)
  const view = new DataView(buffer)
  view.setUint32(0, SERIES_MAGIC, true)
  view.setUint32(4, entries.length, true)
  let data = 8 + entries.length * 64
  entries.forEach((entry, i) => {
    const at = 8 + i * 64
    view.setUint32(at, entry.request, true)
    view.setUint32(at + 4, entry.role, true)
    view.setUint32(at + 8, entry.x.length, true)
    view.setUint32(at + 12, entry.flags, true)
    view.setFloat64(at + 16, entry.total, true)
    entry.limits.forEach((limit, j) => view.setFloat64(at + 24 + j * 8, limit, true))
    view.setUint32(at + 56, entry.nonFinite, true)
    for (const value of [...entry.x, ...entry.y]) {
      view.setFloat64(data, value, true)
      data += 8
    }
  })
  return buffer
}

const raw: Given = {
  request: 1,
  role: 0,
  flags: 3,
  total: 1_000_000,
  limits: [0, 999_999, -1, 2.5],
  nonFinite: 2,
  x: [0, 1, 2, 3],
  y: [0.5, NaN, -Infinity, 2.5],
}
const smooth: Given = { ...raw, role: 1, flags: 0, nonFinite: 0, x: [0, 3], y: [0.5, 1] }
const empty: Given = {
  ...raw,
  request: 2,
  flags: 0,
  total: 0,
  limits: [NaN, NaN, NaN, NaN],
  nonFinite: 0,
  x: [],
  y: [],
}

test('every field of every entry arrives', () => {
  const entries = decodeSeries(encode([raw, smooth, empty]))
  expect(entries).toHaveLength(3)
  const [first, second, third] = entries
  expect(first).toMatchObject({ request: 1, role: 'raw', thinned: true, total: 1_000_000, nonFinite: 2 })
  expect([first?.xMin, first?.xMax, first?.yMin, first?.yMax]).toEqual([0, 999_999, -1, 2.5])
  expect([...(first?.x ?? [])]).toEqual([0, 1, 2, 3])
  expect([...(first?.y ?? [])]).toEqual([0.5, NaN, -Infinity, 2.5])
  expect(second).toMatchObject({ role: 'smooth', thinned: false })
  expect([...(second?.y ?? [])]).toEqual([0.5, 1])
  expect(third?.x).toHaveLength(0)
  expect(third?.xMin).toBeNaN()
})

test('the arrays are views into the answer, not copies', () => {
  const buffer = encode([raw])
  const [entry] = decodeSeries(buffer)
  expect(entry?.x.buffer).toBe(buffer)
})

test('an answer without entries is empty', () => {
  expect(decodeSeries(encode([]))).toEqual([])
})

test.each([
  ['too short for its own size', new ArrayBuffer(4)],
  ['not a series', new ArrayBuffer(16)],
  ['cut off in the headers', encode([raw]).slice(0, 40)],
  ['cut off in the points', encode([raw]).slice(0, 8 + 64 + 16)],
])('refuses an answer that is %s', (_, buffer) => {
  expect(() => decodeSeries(buffer)).toThrow(SeriesFormatError)
})
