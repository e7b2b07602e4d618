import { expect, test, vi } from 'vitest'
import type { HistoryEntry, VersionMetric } from '../src/api/model-types'
import { areaAt } from '../src/app/areas'
import { parsePlace } from '../src/app/place'
import { aliasFault, modelHref, targetUri, versionHref } from '../src/areas/models/names'
import { Pages } from '../src/areas/models/pages.svelte'
import { loadSnippets } from '../src/areas/models/snippets'
import { metricTable } from '../src/areas/models/tables'
import { aroundVersion, checkWords, historyWords, plainLine } from '../src/areas/models/words'
import { neighbour, type GraphBox } from '../src/graph/graph'

const ODD = [
  'churn',
  'a b',
  'price 100 % ?#1&x=y',
  'Modell für Größe 模型',
  '%2F',
  'x/versions/3',
  '..',
  'a:b',
]

test('every name comes back from its address', () => {
  for (const name of ODD) {
    const place = parsePlace(modelHref(name, { tab: 'history' }))
    expect(areaAt(place.path, place.params, false)?.props).toEqual({ name })
    expect(place.params).toEqual({ tab: 'history' })
    const version = parsePlace(versionHref(name, 12))
    expect(areaAt(version.path, version.params, false)?.props).toEqual({ name, version: 12 })
  }
})

test('addresses of targets are MLflow’s', () => {
  expect(targetUri('m', { kind: 'alias', alias: 'champion' })).toBe('models:/m@champion')
  expect(targetUri('m', { kind: 'stage', stage: 'Production' })).toBe('models:/m/Production')
})

test('aliases that would mean something else are refused', () => {
  expect(aliasFault('champion')).toBeNull()
  for (const alias of ['', 'v3', 'V12', 'Latest', 'a b', 'a/b', 'x'.repeat(256)])
    expect(aliasFault(alias)).not.toBeNull()
})

const metric = (key: string, dataset: string | null, value: number): VersionMetric => ({
  metric: { key, dataset },
  value,
  step: 0,
  run_id: 'r',
  direction: 'higher',
})

test('metrics become a row a key and a column a dataset', () => {
  const table = metricTable([metric('b', 'test', 1), metric('a', null, 2), metric('b', null, 3)])
  expect(table.datasets).toEqual(['', 'test'])
  expect(table.rows.map(({ key, cells }) => [key, cells.map((cell) => cell?.value ?? null)])).toEqual([
    ['a', [2, null]],
    ['b', [3, 1]],
  ])
})

test('code that loads a model quotes its name, and names only modules there are', () => {
  const flavor = (name: string) => ({ name, fields: {} })
  const list = loadSnippets(
    `models:/it's "odd"/3`,
    [flavor('python_function'), flavor('sklearn'), flavor('ours')],
    'http://host',
  )
  expect(list.map(({ name }) => name)).toEqual(['pyfunc', 'sklearn', 'files', 'shell'])
  expect(list[0]?.code).toContain(String.raw`load_model("models:/it's \"odd\"/3")`)
  expect(list[1]?.code).toContain('import mlflow.sklearn')
  expect(list[3]?.code).toContain(String.raw`-u 'models:/it'\''s "odd"/3'`)
})

const entry = (change: Partial<HistoryEntry>): HistoryEntry => ({
  id: 1,
  name: 'm',
  at_ms: 0,
  kind: 'alias_moved',
  action: 'edit',
  can_undo: false,
  ...change,
})

test('the history says what moved from where to where', () => {
  expect(historyWords(entry({ action: 'promotion', subject: 'champion', from: '3', to: '5' }))).toBe(
    'Promotion: @champion moved from v3 to v5',
  )
  expect(historyWords(entry({ subject: 'champion', to: '5' }))).toBe('@champion given to v5')
  expect(historyWords(entry({ action: 'undo', subject: 'a', from: '5' }))).toBe('Undo: @a removed from v5')
  expect(historyWords(entry({ kind: 'stage_moved', version: 2, from: 'None', to: 'Staging' }))).toBe(
    'v2 moved from None to Staging',
  )
})

test('rules read as sentences', () => {
  expect(checkWords({ kind: 'metric', metric: 'auc', direction: 'higher', tolerance: 0.01 })).toBe(
    'auc is not lower than the holder’s, by at most 0.01',
  )
  expect(checkWords({ kind: 'metric', metric: 'loss', dataset: 'val', direction: 'lower' })).toBe(
    'loss on val is not higher than the holder’s',
  )
})

test('one line of a description has no marks in it', () => {
  expect(plainLine('# A **bold** `code`\n\ntext')).toBe('A bold code')
  expect(plainLine('')).toBe('')
})

const box = (id: string, x: number, y: number): GraphBox => ({
  id,
  kind: 'run',
  kindWord: 'Run',
  label: id,
  detail: '',
  href: null,
  isStart: false,
  isMissing: false,
  x,
  y,
  width: 100,
  height: 40,
})

test('arrow keys follow the edges, and move within a layer', () => {
  const boxes = [box('a', 0, 0), box('b', 0, 100), box('c', 200, 90), box('d', 200, 10)]
  const edges = [
    { from: 'a', to: 'c', label: '' },
    { from: 'a', to: 'd', label: '' },
    { from: 'b', to: 'c', label: '' },
  ]
  const go = (from: string, key: string) => neighbour(boxes, edges, from, key)
  expect(go('a', 'ArrowRight')).toBe('d')
  expect(go('c', 'ArrowLeft')).toBe('b')
  expect(go('a', 'ArrowDown')).toBe('b')
  expect(go('a', 'ArrowUp')).toBeNull()
  expect(go('c', 'ArrowUp')).toBe('d')
  expect(go('d', 'ArrowRight')).toBeNull()
  expect(go('nobody', 'ArrowRight')).toBeNull()
})

test('pages come when they are shown, and an answer to an old question is dropped', async () => {
  const waiting: (() => void)[] = []
  let prefix = 'old'
  const fetched = vi.fn(async (offset: number, limit: number) => {
    const words = prefix
    if (words === 'slow') await new Promise<void>((done) => waiting.push(done))
    return { rows: Array.from({ length: limit }, (_, i) => `${words} ${offset + i}`), total: 1000 }
  })
  const pages = new Pages<string>(fetched, 10)
  pages.reload(true)
  await vi.waitFor(() => expect(pages.total).toBe(1000))
  pages.show(25, 35)
  await vi.waitFor(() => expect(pages.row(34)).toBe('old 34'))
  expect(fetched).toHaveBeenCalledTimes(3)
  expect(pages.row(500)).toBeUndefined()

  prefix = 'slow'
  pages.reload()
  expect(pages.row(34)).toBe('old 34')
  prefix = 'new'
  pages.reload()
  await vi.waitFor(() => expect(pages.row(34)).toBe('new 34'))
  for (const done of waiting) done()
  await Promise.resolve()
  expect(pages.row(34)).toBe('new 34')
})

test('the version in a sentence can be a link', () => {
  expect(aroundVersion('moved from v1 to v3', 3)).toEqual(['moved from v1 to ', ''])
  expect(aroundVersion('v3 was registered', 3)).toEqual(['', ' was registered'])
  expect(aroundVersion('from v3 to v33', 3)).toEqual(['from ', ' to v33'])
  expect(aroundVersion('the notes', 3)).toEqual(['the notes ', ''])
})
