import { expect, test } from 'vitest'
import { droppedOf, lookHref, lookParams } from '../src/areas/inspect/dropped'

test('one thing is looked into, several stay together', () => {
  expect(lookParams([])).toBeUndefined()
  expect(lookParams(['/a'])).toEqual({ path: '/a' })
  const several = ['/a b', '/c"d', '/e&f=1']
  const params = lookParams(several)
  expect(params?.path).toBe('/a b')
  expect(droppedOf(params?.dropped)).toEqual(several)
  const query = new URLSearchParams(lookHref('/e&f=1', several).split('?')[1])
  expect(query.get('path')).toBe('/e&f=1')
  expect(droppedOf(query.get('dropped') ?? '')).toEqual(several)
})

test('an address that somebody typed is no list', () => {
  for (const bad of [undefined, '', 'x', '{', '{"a":1}', '3', '[1,null,""]'])
    expect(droppedOf(bad)).toEqual([])
  expect(droppedOf('["/a","/a","/b"]')).toEqual(['/a', '/b'])
})
