import { expect, test } from 'vitest'
import { parsePlace, printPlace } from '../src/app/place'
import { DEFAULT_VIEW, parseView, printView, type RunsView } from '../src/runset/view'

const full: RunsView = {
  experiments: ['1', '22'],
  filter: "metrics.`val/loss` < 0.3 and params.model = 'a&b=c#d, e%f'",
  search: 'ünïcode 🚀',
  trash: true,
  sort: [
    { column: { kind: 'metric', key: 'val/loss:x,y', reduce: 'min' }, descending: false },
    { column: { kind: 'param', key: 'a-b@c' }, descending: true },
  ],
  columns: [
    { ref: { kind: 'attribute', key: 'state' }, width: 100, pinned: false },
    { ref: { kind: 'metric', key: 'val/loss:x,y', reduce: 'max' }, width: 133, pinned: true },
    { ref: { kind: 'tag', key: '@ weird , : % key' }, width: 148, pinned: true },
  ],
  nameWidth: 300,
  flat: true,
  first: 50,
  hidden: ['abc', 'def'],
  shown: ['123'],
  spread: ['123', 'ab'],
  pins: ['123'],
  baseline: 'def',
  deltas: true,
  differing: true,
  heat: true,
  sparks: ['val/loss'],
  archived: true,
  group: [
    { kind: 'param', key: 'opt,im:er' },
    { kind: 'attribute', key: 'experiment' },
  ],
  aggregate: 'median',
  band: 'ci95',
  members: true,
  colour: { kind: 'metric', key: 'a/b', reduce: 'max' },
  directions: { 'f,1': 'higher', loss: 'lower' },
  x: { metric: 'epoch/x, y' },
  smoothing: 0.65,
  smoothingKind: 'gaussian',
  faint: false,
  clip: true,
  logs: ['val/loss,1', 'b:c'],
  sync: false,
  chartFilter: '/^val/',
  panels: [
    {
      id: 'p1',
      kind: 'scatter',
      title: 'ünï',
      refs: [{ kind: 'param', key: 'l,r' }],
      options: { log: true },
    },
  ],
  settings: { 'metric:val/loss': { wide: 2, x: { metric: 'epoch' }, clip: true } },
  order: ['metric:a,b', 'p1'],
  closed: ['system', 'a,b'],
  layout: 3,
  split: 0.375,
}

test('everything in a view survives the address', () => {
  const hash = printPlace({ path: '/runs', params: printView(full) })
  const place = parsePlace(hash)
  expect(place.path).toBe('/runs')
  expect(parseView(place.params)).toEqual(full)
})

test('the default view has a bare address', () => {
  expect(printPlace({ path: '/runs', params: printView(DEFAULT_VIEW) })).toBe('#/runs')
  expect(parseView({})).toEqual(DEFAULT_VIEW)
})

test('no columns at all is not the same as automatic columns', () => {
  const params = printView({ ...DEFAULT_VIEW, columns: [] })
  expect(parseView(params).columns).toEqual([])
})

test('an address made by hand cannot break the view', () => {
  const view = parseView({
    layout: '9',
    split: 'NaN',
    smooth: '7',
    first: '-3',
    x: 'sideways',
    cols: 'z:what,m:%E0%A4%A,m:ok@99999',
    sort: ',,-',
    panels: '[{"id":1},{"id":"a","kind":"pie","refs":[]},{"id":"b","kind":"bar","refs":[{"key":"x"}]},null]',
    settings: '{"metric:a":7',
  })
  expect(view).toMatchObject({
    layout: 3,
    split: 0.5,
    smoothing: 0.999,
    first: 1,
    x: 'step',
    sort: [],
    panels: [],
    settings: {},
  })
  expect(view.columns).toEqual([
    { ref: { kind: 'metric', key: 'ok', reduce: 'last' }, width: 1200, pinned: false },
  ])
})

test('places', () => {
  expect(parsePlace('')).toEqual({ path: '/', params: {} })
  expect(parsePlace('#/experiments/7/runs/abc/artifacts')).toEqual({ path: '/run/abc', params: {} })
  expect(parsePlace('#/experiments/7')).toEqual({ path: '/runs', params: { experiments: '7' } })
  expect(parsePlace('#/inspect?path=%2Fa%20b')).toEqual({ path: '/inspect', params: { path: '/a b' } })
  expect(parsePlace('#/x?bad=%E0%A4%A')).toEqual({ path: '/x', params: { bad: '%E0%A4%A' } })
})
