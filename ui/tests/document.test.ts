import { expect, test } from 'vitest'
import { fromDocument, toDocument, unknownFields } from '../src/runset/document'
import { DEFAULT_VIEW, parseView, type RunsView } from '../src/runset/view'

const names = [
  { experiment_id: '7', name: 'fraud' },
  { experiment_id: '8', name: '7' },
]
const full: RunsView = {
  ...parseView({}),
  experiments: ['7', '8'],
  filter: 'metrics.loss < 0.3',
  sort: [{ column: { kind: 'metric', key: 'val/loss', reduce: 'min' }, descending: true }],
  columns: [
    { ref: { kind: 'metric', key: 'a.min', reduce: 'last' }, width: 120, pinned: true },
    { ref: { kind: 'param', key: 'ünï, "x":\n' }, width: 88, pinned: false },
  ],
  group: [{ kind: 'param', key: 'optimizer' }],
  colour: { kind: 'metric', key: 'val_loss', reduce: 'max' },
  directions: { val_loss: 'lower' },
  x: { metric: 'epoch' },
  smoothing: 0.6,
  logs: ['val_loss'],
  panels: [{ id: 'p1', kind: 'scatter', refs: [{ kind: 'param', key: 'lr' }] }],
  layout: 3,
}

test('a view goes to a document and back', () => {
  const back = fromDocument(
    JSON.parse(JSON.stringify(toDocument(full, names))) as Record<string, unknown>,
    names,
  )
  expect(back).toEqual(fromDocument(toDocument(back, names), names))
  for (const key of [
    'experiments',
    'filter',
    'sort',
    'group',
    'directions',
    'x',
    'smoothing',
    'layout',
  ] as const)
    expect(back[key], key).toEqual(full[key])
  expect(back.columns?.map(({ ref }) => ref.key)).toEqual(['a.min', 'ünï, "x":\n'])
  expect(back.panels[0]?.refs[0]?.key).toBe('lr')
})

test('only what is not as usual is written, experiments by name', () => {
  expect(toDocument(parseView({}), names)).toEqual({})
  expect(toDocument(full, names)).toMatchObject({
    experiments: ['fraud', '7'],
    sort: [{ metric: 'val/loss', reduce: 'min', descending: true }],
    group: [{ param: 'optimizer' }],
  })
})

test('what a hand got wrong is left out', () => {
  const wrong = {
    experiments: 'fraud',
    filter: 3,
    sort: [{ nothing: 1 }, 7, null],
    columns: [{ metric: 'ok' }, 'x'],
    layout: 'wide',
    smoothing: 17,
    x: [],
    panels: [{ id: 1 }, 'p'],
    later: { added: true },
  }
  const view = fromDocument(wrong, names)
  expect(view.filter).toBe('')
  expect(view.sort).toEqual([])
  expect(view.columns?.length).toBe(1)
  expect(view.layout).toBe(DEFAULT_VIEW.layout)
  expect(view.smoothing).toBeLessThan(1)
  expect(view.panels).toEqual([])
  expect(unknownFields(wrong)).toEqual({ later: { added: true } })
})
