import { expect, test } from 'vitest'
import { ansiPieces, marked } from '../src/areas/run/ansi'
import { asArguments, asJson, asYaml, configTree } from '../src/areas/run/config'
import { parsePatch } from '../src/areas/run/diff'
import { itemAt, mediaSeries } from '../src/areas/run/media'
import { parseNotebook } from '../src/areas/run/notebook'
import { figureIn } from '../src/areas/run/plotly'
import { bestOf, difference } from '../src/areas/run/summary'
import type { ArtifactEntry, MetricSummary } from '../src/api/types'

const params = [
  { key: 'model.lr', value: '1e-3' },
  { key: 'model.layers', value: '4' },
  { key: 'model/name', value: "it's" },
  { key: 'seed', value: '007' },
  { key: 'a.b.c', value: 'yes' },
  { key: 'on', value: 'True' },
]

test('params are a tree by dots and slashes', () => {
  const tree = configTree(params)
  expect(tree.map(({ name }) => name)).toEqual(['model', 'seed', 'a.b.c', 'on'])
  expect(tree[0]?.children.map(({ name, key }) => [name, key])).toEqual([
    ['lr', 'model.lr'],
    ['layers', 'model.layers'],
    ['name', 'model/name'],
  ])
  // A key that is a branch, too; keys that are only separators.
  const odd = configTree([
    { key: 'a', value: '1' },
    { key: 'a.b', value: '2' },
    { key: '..', value: '3' },
    { key: '__proto__.x', value: '4' },
  ])
  expect(odd.map(({ name, value }) => [name, value])).toEqual([
    ['a', '1'],
    ['..', '3'],
    ['__proto__.x', '4'],
  ])
})

test('params as text to paste', () => {
  expect(JSON.parse(asJson(params))).toEqual({
    model: { lr: 0.001, layers: 4, name: "it's" },
    seed: '007',
    'a.b.c': 'yes',
    on: true,
  })
  expect(asYaml(params)).toBe(
    'model:\n  lr: 0.001\n  layers: 4\n  name: "it\'s"\nseed: "007"\na.b.c: "yes"\n' + 'on: true\n',
  )
  expect(asArguments(params)).toBe(
    "--model.lr=1e-3 --model.layers=4 '--model/name=it'\\''s' --seed=007 --a.b.c=yes --on=True",
  )
})

test('colours are classes, and markup stays text', () => {
  expect(ansiPieces('plain <b>\u0007')).toEqual([{ text: 'plain <b>', classes: '' }])
  expect(ansiPieces('a \u001b[31m<img src=x onerror=1>\u001b[0m b')).toEqual([
    { text: 'a ', classes: '' },
    { text: '<img src=x onerror=1>', classes: 'ansi-red-fg' },
    { text: ' b', classes: '' },
  ])
  // Links of terminals are not links here.
  const link = ansiPieces('\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007')
  expect(link.map(({ text }) => text).join('')).not.toContain('javascript:alert(1)"')
})

test('found texts are marked', () => {
  const pieces = [{ text: 'Error and error', classes: '' }]
  expect(marked(pieces, 'error', false).map(({ text, mark }) => [text, mark])).toEqual([
    ['Error', true],
    [' and ', false],
    ['error', true],
  ])
  expect(marked(pieces, 'error', true).filter(({ mark }) => mark)).toHaveLength(1)
  expect(marked(pieces, '', false)).toHaveLength(1)
})

test('a patch has files, numbers and signs', () => {
  const patch = [
    'diff --git a/x.py b/x.py',
    'index 1..2 100644',
    '--- a/x.py',
    '+++ b/x.py',
    '@@ -1,3 +1,3 @@ def f():',
    ' a',
    '--- b',
    '+++ c',
    ' d',
    'diff --git a/y.png b/y.png',
    'Binary files differ',
    '',
  ].join('\n')
  const files = parsePatch(patch)
  expect(files.map(({ name, added, removed }) => [name, added, removed])).toEqual([
    ['x.py', 1, 1],
    ['y.png', 0, 0],
  ])
  expect(files[0]?.lines.filter(({ kind }) => kind !== 'note' && kind !== 'hunk')).toEqual([
    { kind: 'same', text: 'a', before: 1, after: 1 },
    { kind: 'removed', text: '-- b', before: 2, after: 0 },
    { kind: 'added', text: '++ c', before: 0, after: 2 },
    { kind: 'same', text: 'd', before: 3, after: 3 },
  ])
  expect(parsePatch('no patch at all')[0]?.lines[0]?.text).toBe('no patch at all')
})

const entry = (path: string, preview: ArtifactEntry['preview'] = 'image'): ArtifactEntry => ({
  path,
  name: path.slice(path.lastIndexOf('/') + 1),
  is_dir: false,
  size_bytes: 1,
  preview,
})

test('logged pictures are series over steps', () => {
  const series = mediaSeries([
    entry('images/val~sample+step+10+timestamp+2+0a-1.png'),
    entry('images/val~sample+step+2+timestamp+1+0a-2.png'),
    entry('images/val~sample+step+2+timestamp+1+0a-2+compressed.webp'),
    entry('images/old#key%step%3%timestamp%1%0b.png'),
    entry('plots/roc.png'),
    entry('clip.wav', 'audio'),
    entry('notes.txt', 'text'),
  ])
  expect(series.map(({ key, items }) => [key, items.map(({ step }) => step)])).toEqual([
    ['clip.wav', [null]],
    ['old/key', [3]],
    ['plots/roc.png', [null]],
    ['val/sample', [2, 10]],
  ])
  const items = series[3]?.items ?? []
  expect(itemAt(items, 9)?.step).toBe(2)
  expect(itemAt(items, 0)?.step).toBe(2)
  expect(itemAt(items, 99)?.step).toBe(10)
})

test('notebooks of both formats, and what is none', () => {
  const four = parseNotebook(
    JSON.stringify({
      nbformat: 4,
      metadata: { language_info: { name: 'python' } },
      cells: [
        { cell_type: 'markdown', source: ['# Title\n', 'text'] },
        {
          cell_type: 'code',
          execution_count: 3,
          source: 'x',
          outputs: [
            { output_type: 'stream', name: 'stderr', text: ['warn'] },
            { output_type: 'execute_result', data: { 'text/html': '<script>1</script>', 'text/plain': 'x' } },
            { output_type: 'display_data', data: { 'image/png': 'iVBO\nRw0=' } },
            { output_type: 'display_data', data: { 'image/png': '"><script>' } },
            { output_type: 'error', traceback: ['\u001b[31mValueError\u001b[0m'] },
            7,
          ],
        },
      ],
    }),
  )
  expect(four.cells[0]).toMatchObject({ kind: 'markdown', source: '# Title\ntext' })
  expect(four.cells[1]?.outputs.map(({ kind }) => kind)).toEqual([
    'text',
    'html',
    'image',
    'note',
    'text',
    'note',
  ])
  expect(four.cells[1]?.outputs[2]).toEqual({ kind: 'image', url: 'data:image/png;base64,iVBORw0=' })
  const three = parseNotebook(
    JSON.stringify({
      nbformat: 3,
      worksheets: [
        {
          cells: [
            { cell_type: 'heading', level: 2, source: 'Old' },
            {
              cell_type: 'code',
              input: ['1+1'],
              prompt_number: 1,
              outputs: [{ output_type: 'pyout', text: ['2'] }],
            },
          ],
        },
      ],
    }),
  )
  expect(three.cells.map(({ source }) => source)).toEqual(['## Old', '1+1'])
  expect(three.cells[1]?.outputs[0]).toEqual({ kind: 'text', text: '2', isError: false })
  for (const bad of ['[]', '{}', 'null', '{"cells": 1}']) expect(() => parseNotebook(bad)).toThrow()
})

test('the figure in a page of Plotly is read as data', () => {
  const page =
    '<script src="https://cdn.plot.ly/plotly.min.js"></script><script>Plotly.newPlot(\n "id-1",\n ' +
    '[{"type":"bar","x":["a]\\"}",1],"y":[1,2]}], {"title":{"text":"T"}}, {"responsive": true} )</script>'
  expect(figureIn(page)).toEqual({
    data: [{ type: 'bar', x: ['a]"}', 1], y: [1, 2] }],
    layout: { title: { text: 'T' } },
  })
  expect(figureIn('Plotly.newPlot("x", makeData(), {})')).toBeNull()
  expect(figureIn('Plotly.newPlot("x", [{"a":')).toBeNull()
  expect(figureIn('function(){Plotly.newPlot(a,b)} Plotly.newPlot("x",[{"y":[1]}],{})')?.data).toHaveLength(1)
})

const metric = (key: string, min: number, max: number, last: number): MetricSummary => ({
  key,
  points: 3,
  first: 0,
  last,
  last_step: 2,
  last_time_ms: 0,
  min,
  min_step: 1,
  max,
  max_step: 2,
})

test('what is best, and how far runs are apart', () => {
  expect(bestOf(metric('val/loss', 0.1, 0.9, 0.5))).toMatchObject({ value: 0.1, step: 1 })
  expect(bestOf(metric('valAccuracy', 0.1, 0.9, 0.5))).toMatchObject({ value: 0.9, step: 2 })
  expect(bestOf(metric('throughput', 1, 2, 1))).toBeNull()
  expect(difference(metric('loss', 0.1, 1, 1), metric('loss', 0.2, 1, 1))).toMatchObject({
    sign: '▼',
    word: 'better',
  })
  expect(difference(metric('x', 0, 3, 3), metric('x', 0, 1, 1))).toMatchObject({ by: 2, word: 'higher' })
})
