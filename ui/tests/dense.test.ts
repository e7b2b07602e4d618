import { describe, expect, test } from 'vitest'
import type { SeriesEntry } from '../src/api/series'
import { DensePicture, type Ink } from '../src/charts/dense'

const WIDTH = 40
const HEIGHT = 30
const black: Ink = { color: [0, 0, 0, 255], alpha: 1, thickness: 1, dash: [] }
const plain = { x: (value: number) => value, y: (value: number) => value }

function entry(points: [number, number][]): SeriesEntry {
  return {
    request: 0,
    role: 'raw',
    thinned: false,
    lacksX: false,
    sampled: false,
    total: points.length,
    xMin: points[0]?.[0] ?? NaN,
    xMax: points.at(-1)?.[0] ?? NaN,
    yMin: NaN,
    yMax: NaN,
    nonFinite: 0,
    x: Float64Array.from(points, ([x]) => x),
    y: Float64Array.from(points, ([, y]) => y),
  }
}

function draw(points: [number, number][], ink: Partial<Ink> = {}): DensePicture {
  const picture = new DensePicture(WIDTH, HEIGHT)
  const line = entry(points)
  picture.line(line, 0, line.x.length, plain, { ...black, ...ink })
  return picture
}

const opacity = (picture: DensePicture, x: number, y: number) => picture.pixels[(y * WIDTH + x) * 4 + 3] ?? 0

/** A number from 0 to 1 that looks random, from a number. */
const noise = (seed: number) => (Math.imul(seed + 1, 2654435761) >>> 8) / 2 ** 24

describe('a dense line', () => {
  test('covers in each column what lies between its lowest and its highest point there', () => {
    for (let round = 0; round < 20; round++) {
      const points = Array.from({ length: 160 }, (_, i): [number, number] => [
        (i + noise(round * 999 + i)) / 4,
        3 + 24 * noise(round * 777 + i * 31),
      ])
      const picture = draw(points)
      for (let column = 0; column < WIDTH; column++) {
        // The line itself, followed in tiny steps.
        let low = Infinity
        let high = -Infinity
        for (let i = 1; i < points.length; i++) {
          const [x0, y0] = points[i - 1] ?? [0, 0]
          const [x1, y1] = points[i] ?? [0, 0]
          for (let step = 0; step <= 200; step++) {
            const x = x0 + ((x1 - x0) * step) / 200
            if (Math.floor(x) !== column) continue
            const y = y0 + ((y1 - y0) * step) / 200
            low = Math.min(low, y)
            high = Math.max(high, y)
          }
        }
        for (let row = 0; row < HEIGHT; row++) {
          const seen = opacity(picture, column, row) / 255
          const covered = Math.max(0, Math.min(high + 0.5, row + 1) - Math.max(low - 0.5, row))
          expect(Math.abs(seen - covered)).toBeLessThan(0.25)
        }
      }
    }
  })

  test('has a gap where a value is no number, and none where points are far apart', () => {
    const picture = draw([
      [2, 10],
      [12, 10],
      [13, NaN],
      [20, 10],
      [30, 10],
    ])
    const columns = Array.from({ length: WIDTH }, (_, x) => opacity(picture, x, 10) > 0)
    expect(columns.indexOf(true)).toBe(2)
    expect(columns.slice(2, 12).every(Boolean)).toBe(true)
    expect(columns.slice(14, 20).some(Boolean)).toBe(false)
    expect(columns.slice(20, 30).every(Boolean)).toBe(true)
    expect(columns.slice(31).some(Boolean)).toBe(false)
  })

  test('stays within the picture', () => {
    const picture = draw([
      [-50, 10],
      [0.5, -1000],
      [0.6, 2000],
      [100, -300],
    ])
    for (const y of [0, 15, HEIGHT - 1]) expect(opacity(picture, 0, y)).toBe(255)
    expect(
      draw([
        [-5, 3],
        [-2, 4],
      ]).pixels.some((part) => part > 0),
    ).toBe(false)
  })

  test('lies above what was drawn before, as much as it is opaque', () => {
    const picture = draw([
      [0, 10.5],
      [39, 10.5],
    ])
    const line = entry([
      [0, 10.5],
      [39, 10.5],
    ])
    picture.line(line, 0, 2, plain, { ...black, color: [255, 0, 0, 255], alpha: 0.5 })
    const at = (10 * WIDTH + 20) * 4
    expect(Math.abs((picture.pixels[at] ?? 0) - 128)).toBeLessThan(2)
    expect(picture.pixels[at + 3]).toBe(255)
    picture.line(line, 0, 2, plain, { ...black, color: [255, 0, 0, 255] })
    expect([...picture.pixels.slice(at, at + 4)]).toEqual([255, 0, 0, 255])
  })

  test('is broken as its pattern says, and thick when it is to be', () => {
    const level: [number, number][] = [
      [0, 10.5],
      [39, 10.5],
    ]
    const dashed = draw(level, { dash: [6, 3] })
    const columns = Array.from({ length: 18 }, (_, x) => opacity(dashed, x, 10) > 0)
    expect(columns).toEqual([...'111111000111111000'].map((c) => c === '1'))
    const thick = draw(level, { thickness: 3 })
    expect(Array.from({ length: 20 }, (_, y) => opacity(thick, 5, y) > 0).filter(Boolean)).toHaveLength(3)
  })
})
