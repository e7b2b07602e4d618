import { expect, test } from 'vitest'
import { FRAME_MAGIC, FrameReader, SeriesFormatError, type SeriesEntry } from '../src/api/series'
import { axisMetrics, symlogSplits, symlogTick } from '../src/charts/axis'
import { firstOdd, nearest, readings, toLines, withLive, yLimits } from '../src/charts/lines'
import { matchedMetrics, patternProblem } from '../src/charts/pick'
import { makePlan, runGroups, type Target } from '../src/charts/plan'
import { moved, sections } from '../src/charts/sections'
import { chartLook, chartSize, withSettings } from '../src/charts/settings'
import type { Panel } from '../src/runset/panels'
import { DEFAULT_VIEW } from '../src/runset/view'

const entry = (request: number, x: number[], y: number[], smoothed = false): SeriesEntry => ({
  request,
  role: smoothed ? 'smooth' : 'raw',
  lacksX: false,
  sampled: false,
  thinned: false,
  total: x.length,
  xMin: x[0] ?? NaN,
  xMax: x[x.length - 1] ?? NaN,
  yMin: y.some(Number.isFinite) ? Math.min(...y.filter(Number.isFinite)) : NaN,
  yMax: y.some(Number.isFinite) ? Math.max(...y.filter(Number.isFinite)) : NaN,
  nonFinite: y.filter((v) => !Number.isFinite(v)).length,
  x: Float64Array.from(x),
  y: Float64Array.from(y),
})
const target = (runId: string, name: string): Target => ({
  runId,
  name,
  members: [runId],
  metric: 'loss',
  kind: 'run',
  dash: null,
})
const runs = [target('r0', 'zero'), target('r1', 'one'), target('r2', 'two')]
const plain = { log: false, faint: true, fences: null }

test('the nearest point', () => {
  const xs = Float64Array.from([0, 10, 20])
  expect([-5, 4, 6, 14, 16, 99].map((at) => nearest(xs, at))).toEqual([0, 0, 1, 1, 2, 2])
  expect(nearest(new Float64Array(), 1)).toBe(-1)
})

test('lines take their smoothed twin, and runs without the metric have no line', () => {
  const { lines } = toLines(runs, [
    entry(0, [0, 1], [1, 2]),
    entry(0, [0, 1], [1, 1.5], true),
    entry(1, [], []),
    entry(2, [0], [5]),
  ])
  expect(lines.map((line) => line.name)).toEqual(['zero', 'two'])
  expect([...(lines[0]?.smooth?.y ?? [])]).toEqual([1, 1.5])
})

test('readings are in the order on screen, and lines that ended are left out', () => {
  const { lines } = toLines(runs, [
    entry(0, [0, 1, 2], [1, NaN, 1]),
    entry(1, [0, 1, 2], [3, 4, 5]),
    entry(2, [0], [9]),
  ])
  expect(readings(lines, 1, 0.2).map((row) => row.line.runId)).toEqual(['r1', 'r0'])
  expect(readings(lines, 0, 0.2).map((row) => row.value)).toEqual([9, 3, 1])
})

test('limits leave out what cannot be drawn', () => {
  const { lines } = toLines(runs, [entry(0, [0, 1, 2, 3], [-5, 1, 100, Infinity])])
  const linear = yLimits(lines, 0, 3, plain)
  expect(linear?.min).toBeLessThan(-5)
  expect(linear?.max).toBeGreaterThan(100)
  const log = yLimits(lines, 0, 3, { ...plain, log: true })
  expect(log?.min).toBeGreaterThan(0)
  expect(yLimits(lines, 10, 20, plain)).toBeNull()
})

test('charts are grouped by the first part of the name', () => {
  const list = sections(
    ['system/cpu', 'train/loss', 'loss', 'train/acc', 'auc'].map((key) => ({
      key,
      is_curve: key !== 'auc',
    })),
    '',
  )
  expect(list.map((section) => [section.name, section.items.map((item) => item.title)])).toEqual([
    ['metrics', ['loss', 'auc']],
    ['train', ['acc', 'loss']],
    ['system', ['cpu']],
  ])
  expect(sections([{ key: 'train/loss', is_curve: true }], '/^val/')).toEqual([])
  expect(sections([{ key: 'train/loss', is_curve: true }], '/[/')).toHaveLength(1)
})

test('the y axis ends at the fences, but never before what lies within them', () => {
  const { lines } = toLines(runs, [entry(0, [0, 1, 2, 3], [1, 2, 3, 1000])])
  const clipped = yLimits(lines, 0, 3, { ...plain, fences: { low: -50, high: 10, beyond: 1 } })
  expect(clipped?.max).toBeLessThan(11)
  expect(clipped?.min).toBeGreaterThan(0)
})

test('the first value that is not finite is named', () => {
  const { lines } = toLines(runs, [entry(0, [0, 5], [1, NaN]), entry(1, [0, 3], [2, Infinity])])
  expect(firstOdd(lines)).toEqual({ name: 'one', x: 3, value: Infinity })
})

test('runs without the metric of the x axis are told apart from those without the metric', () => {
  const answer = toLines(runs, [entry(0, [], []), { ...entry(1, [], []), lacksX: true }])
  expect(answer).toEqual({ lines: [], fences: null, lacking: ['one'], rough: false })
})

const look = chartLook(DEFAULT_VIEW, 'x', null)
const grouped = [
  { runId: 'a', name: 'A', group: { id: 'g1', name: 'adam' } },
  { runId: 'b', name: 'B', group: { id: 'g2', name: 'sgd' } },
  { runId: 'c', name: 'C', group: { id: 'g1', name: 'adam' } },
]

test('a group is one line, its members others if wanted, and the baseline stays a line', () => {
  expect(runGroups(grouped).map((group) => group.runIds)).toEqual([['a', 'c'], ['b']])
  const plan = makePlan(grouped, ['loss'], look, null)
  expect(plan.request.series).toEqual([])
  expect(plan.request.groups).toEqual([
    { run_ids: ['a', 'c'], metric: 'loss' },
    { run_ids: ['b'], metric: 'loss' },
  ])
  const members = makePlan(grouped, ['loss'], { ...look, members: true }, 'b')
  expect(members.targets.map(({ runId, kind }) => `${runId} ${kind}`)).toEqual([
    'g1 member',
    'b run',
    'g1 member',
    'g1 group',
    'g2 group',
  ])
})

test('several metrics in one chart differ by dash, runs by colour', () => {
  const one = runs.slice(0, 1).map(({ runId, name }) => ({ runId, name }))
  const plan = makePlan(one, ['loss', 'acc'], { ...look, x: { metric: 'epoch' } }, null)
  expect(plan.targets.map(({ name, dash, runId }) => [name, dash, runId])).toEqual([
    ['zero · loss', 0, 'r0'],
    ['zero · acc', 1, 'r0'],
  ])
  expect(plan.request).toMatchObject({ x_metric: 'epoch' })
})

test('metrics are chosen by name and by expression, each once', () => {
  const panel: Panel = {
    id: 'p1',
    kind: 'line',
    refs: [{ kind: 'metric', key: 'b' }],
    match: '^(a|b)',
  }
  const metrics = ['ab', 'b', 'cb', 'a10', 'a2'].map((key) => ({ key, is_curve: true }))
  expect(matchedMetrics(panel, metrics)).toEqual(['b', 'a2', 'a10', 'ab'])
  expect(matchedMetrics({ ...panel, match: '(' }, metrics)).toEqual(['b'])
  expect(patternProblem('(')).toMatch(/./)
  expect(patternProblem('a|b')).toBeNull()
})

test('what counts progress is offered first as an x axis', () => {
  const metrics = ['loss', 'train/tokens_seen', 'trainer/global_step', 'epoch', 'fooepochbar'].map((key) => ({
    key,
    is_curve: true,
  }))
  expect(axisMetrics([...metrics, { key: 'last_epoch', is_curve: false }])).toEqual({
    likely: ['epoch', 'train/tokens_seen', 'trainer/global_step'],
    others: ['fooepochbar', 'loss'],
  })
})

test('a chart follows the run set except where it has its own word', () => {
  const view = {
    ...DEFAULT_VIEW,
    smoothing: 0.6,
    logs: ['loss'],
    settings: { 'metric:loss': { clip: true } },
  }
  expect(chartLook(view, 'metric:loss', 'loss')).toMatchObject({ smoothing: 0.6, log: true, clip: true })
  expect(chartLook(view, 'p1', null)).toMatchObject({ smoothing: 0.6, log: false, clip: false })
  expect(withSettings(view, 'metric:loss', { clip: undefined }).settings).toEqual({})
  expect(withSettings(view, 'p1', { smoothing: 0 }).settings).toEqual({
    'metric:loss': { clip: true },
    p1: { smoothing: 0 },
  })
  expect(chartSize({ wide: 9, tall: NaN })).toEqual({ wide: 3, tall: 1 })
})

test('a moved chart keeps its place among those of its section, and others keep theirs', () => {
  const metrics = ['a', 'b', 'c', 'x/d'].map((key) => ({ key, is_curve: true }))
  const section = sections(metrics, '')[0]
  if (!section) throw new Error('there is no section')
  const order = moved(section, ['metric:x/d'], 'metric:c', 0)
  expect(order).toEqual(['metric:x/d', 'metric:c', 'metric:a', 'metric:b'])
  const ids = sections(metrics, '', [], order).map(({ items }) => items.map(({ id }) => id))
  expect(ids).toEqual([['metric:c', 'metric:a', 'metric:b'], ['metric:x/d']])
})

test('frames are put together from pieces of any size', () => {
  const frame = (request: number, status: number, body: number[]) => {
    const bytes = new Uint8Array(16 + body.length)
    ;[FRAME_MAGIC, request, status, body.length].forEach((n, i) =>
      new DataView(bytes.buffer).setUint32(i * 4, n, true),
    )
    bytes.set(body, 16)
    return [...bytes]
  }
  const all = Uint8Array.from([...frame(1, 0, [1, 2, 3]), ...frame(0, 1, []), ...frame(2, 2, [9])])
  for (let size = 1; size <= all.length; size++) {
    const reader = new FrameReader()
    const got = []
    for (let at = 0; at < all.length; at += size) got.push(...reader.push(all.subarray(at, at + size)))
    const plain = got.map(({ request, failed, first, body }) => [
      request,
      failed,
      first,
      ...new Uint8Array(body),
    ])
    expect(plain).toEqual([
      [1, false, false, 1, 2, 3],
      [0, true, false],
      [2, false, true, 9],
    ])
    expect(reader.complete).toBe(true)
  }
  expect(() => new FrameReader().push(new Uint8Array(20))).toThrow(SeriesFormatError)
})

test('a point that has just been logged goes to the end of its line', () => {
  const { lines } = toLines(runs, [entry(0, [0, 1], [5, 4]), entry(1, [0, 1], [7, 6])])
  const metric = lines[0]?.metric ?? ''
  const next = withLive(lines, lines[0]?.runId ?? '', [
    { key: metric, step: 3, value: NaN },
    { key: metric, step: 2, value: 9 },
    { key: 'another', step: 4, value: 1 },
    { key: metric, step: 1, value: 1 },
  ])
  expect([...(next?.[0]?.raw.x ?? [])]).toEqual([0, 1, 2, 3])
  expect([...(next?.[0]?.raw.y ?? [])]).toEqual([5, 4, 9, NaN])
  expect(next?.[0]?.raw).toMatchObject({ total: (lines[0]?.raw.total ?? 0) + 2, nonFinite: 1, xMax: 3 })
  expect(next?.[1]).toBe(lines[1])
  expect(withLive(lines, 'none', [{ key: metric, step: 9, value: 1 }])).toBeNull()
})

test('a symmetric logarithmic axis has room and ticks on both sides of zero', () => {
  expect(symlogSplits(-200, 1000)).toEqual([-100, -10, -1, 0, 1, 10, 100, 1000])
  expect(symlogSplits(0, 0.5)).toEqual([0, 0.001, 0.01, 0.1])
  expect(symlogTick(-100)).toBe('−100')
  expect(symlogTick(0)).toBe('0')
})
