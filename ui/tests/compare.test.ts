import { expect, test } from 'vitest'
import type { CompareRow } from '../src/api/types'
import { shown } from '../src/areas/compare/values'

const cell = (text: string, min?: number, max?: number) => ({ text, min, max })
const row = (key: string, base: ReturnType<typeof cell> | null): CompareRow => ({
  section: 'metrics',
  key,
  label: key,
  depth: 1,
  differs: true,
  base,
  cells: [],
})

test('a lower loss is better, a lower accuracy worse, and nobody knows about others', () => {
  const verdict = (key: string) => shown(row(key, cell('0.5')), cell('0.4'), false, 'last').verdict
  expect([verdict('val_loss'), verdict('accuracy'), verdict('zzz')]).toEqual(['better', 'worse', 'lower'])
  const said = shown(row('zzz', cell('0.5')), cell('0.4'), false, 'last', { zzz: 'lower' })
  expect(said).toMatchObject({ delta: '▼ 0.1', verdict: 'better' })
})

test('the best value is the end that is good', () => {
  const base = cell('0.9', 0.1, 0.9)
  const text = (key: string) => shown(row(key, base), cell('0.8', 0.2, 0.95), false, 'best')
  expect(text('loss')).toMatchObject({ text: '0.2', delta: '▲ 0.1', verdict: 'worse' })
  expect(text('auc')).toMatchObject({ text: '0.95', delta: '▲ 0.05', verdict: 'better' })
})

test('no difference is said where there is none, or no number', () => {
  for (const [base, other] of [
    ['0.5', '0.5'],
    ['NaN', '0.5'],
    ['0.5', 'Infinity'],
  ] as const)
    expect(shown(row('loss', cell(base)), cell(other), false, 'last').delta).toBe('')
  expect(shown(row('loss', null), cell('1'), false, 'last').delta).toBe('')
  expect(shown(row('loss', cell('2')), cell('1'), true, 'last').delta).toBe('')
})

test('long and empty texts say so', () => {
  const param = { ...row('config', null), section: 'params' as const }
  expect(shown(param, { text: 'first line', long: true }, false, 'best').text).toBe('first line …')
  expect(shown(param, { text: '' }, false, 'best').text).toBe('(empty)')
})
