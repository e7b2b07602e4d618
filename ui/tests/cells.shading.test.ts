import { describe, expect, it } from 'vitest'
import { goodness } from '../src/areas/runs/heat.svelte'
import { sparkPath } from '../src/areas/runs/sparks.svelte'

describe('shading', () => {
  const ends = { low: 1, high: 3 }
  it('is strongest at the good end', () => {
    expect(goodness(3, ends, 'higher')).toBe(1)
    expect(goodness(3, ends, 'lower')).toBe(0)
    expect(goodness(1, ends, 'lower')).toBe(1)
    expect(goodness(2, ends, null)).toBe(0.5)
  })
  it('leaves alone what is no number, and columns of one value', () => {
    for (const value of [null, undefined, 'NaN', 'Infinity']) expect(goodness(value, ends, 'higher')).toBe(0)
    expect(goodness(1, { low: 1, high: 1 }, 'higher')).toBe(0)
  })
  it('stays within bounds when a run is newer than the ends', () => {
    expect(goodness(9, ends, 'higher')).toBe(1)
    expect(goodness(-9, ends, 'higher')).toBe(0)
  })
})

describe('small curves', () => {
  it('go from the left to the right, high values on top', () => {
    expect(sparkPath([0, 10], [1, 3])).toBe('M1.0 14.0L59.0 2.0')
  })
  it('have a gap where a value is not finite', () => {
    expect(sparkPath([0, 1, 2, 3], [1, NaN, 2, 3]).match(/M/g)).toHaveLength(2)
  })
  it('are level when nothing changes, and empty for a single point', () => {
    expect(sparkPath([0, 1], [5, 5])).toBe('M1.0 8.0L59.0 8.0')
    expect(sparkPath([0], [5])).toBe('')
    expect(sparkPath([], [])).toBe('')
    expect(sparkPath([0, 1], [NaN, 1])).toBe('')
  })
})
