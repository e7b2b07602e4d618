import { expect, test } from 'vitest'
import { DASHES, fnv1a, MOST_LOOKS, runLook, SLOTS, spreadLooks } from '../src/design/colors'

test('the hash is FNV-1a, 32 bit', () => {
  // Values of the published test vectors.
  expect(fnv1a('')).toBe(0x811c9dc5)
  expect(fnv1a('a')).toBe(0xe40c292c)
  expect(fnv1a('foobar')).toBe(0xbf9cf968)
})

test('a run keeps its look', () => {
  expect(runLook('a')).toEqual({ slot: (0xe40c292c % 8) + 1, dash: (0xe40c292c >>> 3) % 4 })
  expect(runLook('a')).toEqual(runLook('a'))
})

test('all 32 looks are used about equally', () => {
  const counts = new Map<string, number>()
  for (let i = 0; i < 3200; i++) {
    // Four unlike parts, as the random ids of runs have.
    const part = (n: number) =>
      fnv1a(`seed ${i} part ${n * 7919}`)
        .toString(16)
        .padStart(8, '0')
    const id = [1, 2, 3, 4].map(part).join('')
    const { slot, dash } = runLook(id)
    expect(slot).toBeGreaterThanOrEqual(1)
    expect(slot).toBeLessThanOrEqual(SLOTS)
    expect(DASHES[dash]).toBeDefined()
    counts.set(`${slot}/${dash}`, (counts.get(`${slot}/${dash}`) ?? 0) + 1)
  }
  expect(counts.size).toBe(32)
  expect(Math.max(...counts.values())).toBeLessThan(200)
  expect(Math.min(...counts.values())).toBeGreaterThan(40)
})

test('spread over runs, all looks differ; taken back, they are as before', () => {
  const ids = Array.from({ length: MOST_LOOKS + 3 }, (_, i) => `run ${i}`)
  const before = ids.map((id) => runLook(id))
  spreadLooks(ids)
  const during = ids.slice(0, MOST_LOOKS).map((id) => runLook(id))
  expect(new Set(during.map(({ slot, dash }) => `${slot}/${dash}`)).size).toBe(MOST_LOOKS)
  expect(during.slice(0, SLOTS).every(({ dash }) => dash === 0)).toBe(true)
  expect(ids.slice(MOST_LOOKS).map((id) => runLook(id))).toEqual(before.slice(MOST_LOOKS))
  spreadLooks([])
  expect(ids.map((id) => runLook(id))).toEqual(before)
})
