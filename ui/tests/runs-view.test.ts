import { expect, test } from 'vitest'
import { groupCell, runCell } from '../src/areas/runs/cells'
import { inView, layOut } from '../src/areas/runs/layout'
import { Recycler } from '../src/areas/runs/recycler'
import { stepOf } from '../src/areas/runs/steps'
import { differingColumns } from '../src/runset/columns'
import { DEFAULT_VIEW, parseRef, printRef, type Column } from '../src/runset/view'

const metric = (key: string): Column => ({
  ref: { kind: 'metric', key, reduce: 'last' },
  width: 100,
  pinned: false,
})

test('a group shows mean and spread, a shared text, or how many texts', () => {
  const loss = { kind: 'metric', key: 'loss' } as const
  const cell = { n: 3, numbers: 2, mean: 0.5, std: 0.25, min: 0.25, max: 0.75, different: 0 }
  expect(groupCell(loss, cell, 0)).toEqual({
    text: '0.5 ± 0.25',
    title: 'mean 0.5, standard deviation 0.25, 0.25 … 0.75, n = 3 (1 not finite)',
    look: 'plain',
  })
  const opt = { kind: 'param', key: 'opt' } as const
  expect(groupCell(opt, { n: 2, numbers: 0, text: 'sgd', different: 1 }, 0).text).toBe('sgd')
  expect(groupCell(opt, { n: 2, numbers: 0, different: 2 }, 0).text).toBe('2 values')
  expect(groupCell(loss, null, 0).look).toBe('none')
})

test('a metric that is not a number stands out', () => {
  const row = { run_id: 'a', experiment_id: '1', name: 'a', state: 'running', lifecycle: 'active' } as const
  const context = { now: 0, experimentName: String }
  const full = { ...row, child_count: 0, matches: true }
  expect(runCell(full, { kind: 'metric', key: 'loss' }, 'NaN', true, context).look).toBe('odd')
  expect(runCell(full, { kind: 'param', key: 'lr' }, '0.00030000001', true, context).text).toBe('0.0003')
  expect(runCell(full, { kind: 'param', key: 'lr' }, null, true, context).text).toBe('–')
})

test('only columns that reach into the window are made', () => {
  const columns = Array.from({ length: 2000 }, (_, i) => metric(`m${i}`))
  const { loose, looseWidth } = layOut(columns, ({ ref }) => ref.key, new Set(), false)
  expect(looseWidth).toBe(200_000)
  expect(inView(loose, 0, 250)).toEqual([0, 2])
  expect(inView(loose, 100, 200)).toEqual([1, 1])
  expect(inView(loose, 199_950, 300_000)).toEqual([1999, 1999])
  expect(inView([], 0, 100)).toEqual([0, -1])
})

test('what stays on screen keeps its slot, what comes takes a free one', () => {
  const recycler = new Recycler()
  const keys = (items: number[]) => new Map(recycler.take(items).map(({ key, item }) => [item, key]))
  const before = keys([1, 2, 3, 4])
  const after = keys([3, 4, 5, 6])
  expect([after.get(3), after.get(4)]).toEqual([before.get(3), before.get(4)])
  expect([...after.values()].sort()).toEqual([0, 1, 2, 3])
  expect([...keys([6]).values()]).toEqual([0])
  expect([...keys([6, 9, 9]).values()].sort()).toEqual([0, 1])
})

test('coarse changes are places to go back to, dividers are not even steps', () => {
  const step = (change: object) => stepOf(DEFAULT_VIEW, { ...DEFAULT_VIEW, ...change })
  expect(step({ filter: 'a = 1' })).toEqual({ label: 'filter runs', merge: 'filter', entry: true })
  expect(step({ group: [{ kind: 'param', key: 'lr' }] })).toMatchObject({ entry: true, merge: null })
  expect(step({ baseline: 'a', deltas: true })).toMatchObject({ label: 'set the baseline', entry: false })
  expect(step({ split: 0.3 })).toBeNull()
  expect(step({})).toBeNull()
  const columns = [metric('a')]
  const wider = stepOf(
    { ...DEFAULT_VIEW, columns },
    { ...DEFAULT_VIEW, columns: [{ ...metric('a'), width: 120 }] },
  )
  expect(wider?.merge).toBe('columns')
  const other = stepOf({ ...DEFAULT_VIEW, columns }, { ...DEFAULT_VIEW, columns: [metric('b')] })
  expect(other?.merge).toBeNull()
})

test('a column at a step has an address', () => {
  const ref = { kind: 'metric', key: 'val/loss', reduce: 'at', step: -5 } as const
  expect(printRef(ref)).toBe('m:val%2Floss:at-5')
  expect(parseRef(printRef(ref))).toEqual(ref)
  expect(parseRef('m:loss:at')).toEqual({ kind: 'metric', key: 'loss', reduce: 'last' })
})

test('only differing columns: of the chosen ones, or all when none were chosen', () => {
  const differing = [
    { kind: 'param', key: 'lr' },
    { kind: 'metric', key: 'val_loss' },
    { kind: 'tag', key: 'host' },
  ] as const
  const chosen = [metric('val_loss'), metric('same')]
  expect(differingColumns(chosen, [...differing], false).map(({ ref }) => ref.key)).toEqual(['val_loss'])
  expect(differingColumns(chosen, [...differing], true).map(({ ref }) => ref)).toEqual([
    { kind: 'metric', key: 'val_loss', reduce: 'last' },
    { kind: 'param', key: 'lr' },
  ])
})
