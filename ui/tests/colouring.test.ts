import { expect, test } from 'vitest'
import { givenLook, rampStep, scaleOf, Slots } from '../src/areas/runs/colouring'
import { colourFromTag, lookColor, RAMP } from '../src/design/colors'

test('numbers go from one end of the scale to the other', () => {
  const scale = scaleOf([1, '3', null, 'NaN', 2])
  expect(scale).toEqual({ low: 1, high: 3, log: false })
  if (!scale) return
  expect([1, 2, 3].map((n) => rampStep(n, scale))).toEqual([1, Math.round(1 + (RAMP - 1) / 2), RAMP])
  expect(rampStep(99, scale)).toBe(RAMP)
  expect(rampStep('NaN', scale)).toBeNull()
  expect(rampStep(null, scale)).toBeNull()
  expect(scaleOf(['gbm', null])).toBeNull()
})

test('what spans decades is scaled by size', () => {
  const scale = scaleOf(['1e-5', '1e-1'])
  expect(scale?.log).toBe(true)
  if (scale) expect(rampStep('1e-3', scale)).toBe(Math.round(1 + (RAMP - 1) / 2))
})

test('a run may name its colour, and nothing but a colour', () => {
  expect(colourFromTag('#FF8800')).toEqual({ slot: 1, css: '#ff8800' })
  expect(colourFromTag('3')).toEqual({ slot: 3 })
  expect(colourFromTag('Teal')).toEqual({ slot: 4 })
  expect(colourFromTag('url(https://example.org)')).toBeNull()
  expect(colourFromTag('9')).toBeNull()
  const look = givenLook('a', '#123456', 1, { low: 0, high: 1, log: false }, null)
  expect(look && lookColor(look)).toBe('#123456')
})

test('texts keep their slots', () => {
  const slots = new Slots()
  const first = ['a', 'b', 'a', 'c'].map((text) => slots.of(text))
  expect(first).toEqual([1, 2, 1, 3])
  for (let i = 0; i < 20; i++) slots.of(`more ${i}`)
  expect(['a', 'b', 'c'].map((text) => slots.of(text))).toEqual([1, 2, 3])
})
