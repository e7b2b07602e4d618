import { expect, test } from 'vitest'
import type { ColumnInfo } from '../src/api/types'
import { columnTree, openNodes, type TreeNode } from '../src/areas/runs/column-tree'

const info = (kind: ColumnInfo['kind'], key: string): ColumnInfo => ({
  kind,
  key,
  run_count: 3,
  is_curve: false,
  numeric: false,
  varies: true,
})
const known = ['loss', 'val/loss', 'val/acc', 'val/top/1', 'val/top/5', 'train/loss', 'a..b', '/odd'].map(
  (key) => info('metric', key),
)
const draw = (nodes: TreeNode[]): string[] =>
  nodes.map(
    (node) =>
      `${'  '.repeat(node.depth)}${node.label}${node.kind === 'branch' ? ` (${node.leaves.length})` : ''}`,
  )

test('names with a common part stand below it', () => {
  const [, metrics] = columnTree(known, () => true)
  expect(draw(metrics ? openNodes([metrics], () => true) : [])).toEqual([
    'Metrics (8)',
    '  /odd',
    '  a..b',
    '  loss',
    '  train/loss',
    '  val/ (4)',
    '    acc',
    '    loss',
    '    top/ (2)',
    '      1',
    '      5',
  ])
})

test('a closed branch hides what is below; a search leaves only what it finds', () => {
  const all = columnTree(known, () => true)
  expect(draw(openNodes(all, (id) => id === 'metric'))).toContain('  val/ (4)')
  expect(draw(openNodes(all, (id) => id === 'metric'))).not.toContain('    acc')
  const found = columnTree(known, (name) => name.endsWith('acc'))
  expect(draw(openNodes(found, () => true))).toEqual(['Metrics (1)', '  val/acc'])
})

test('a key that is the start of another is not lost', () => {
  const [, params] = columnTree(
    [info('param', 'lr'), info('param', 'lr.decay'), info('param', 'lr.warmup')],
    () => true,
  )
  expect(draw(params ? openNodes([params], () => true) : [])).toEqual([
    'Params (3)',
    '  lr',
    '  lr. (2)',
    '    decay',
    '    warmup',
  ])
})
