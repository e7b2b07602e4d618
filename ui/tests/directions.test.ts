import { expect, test } from 'vitest'
import { bestEnds, bestReduce, delta, directionOf, guessDirection, isBest } from '../src/runset/directions'

test.each([
  ['val_loss', 'lower'],
  ['train/loss', 'lower'],
  ['valLoss', 'lower'],
  ['eval.rmse', 'lower'],
  ['WER', 'lower'],
  ['val_acc', 'higher'],
  ['top-5 accuracy', 'higher'],
  ['f1_macro', 'higher'],
  ['roc_auc', 'higher'],
  ['r2', 'higher'],
  ['neg_mean_squared_error', 'higher'],
  ['log_likelihood', 'higher'],
  ['learning_rate', null],
  ['epoch', null],
  ['system/cpu_error', null],
  ['', null],
])('%s: %s', (name, direction) => {
  expect(guessDirection(name)).toBe(direction)
})

test('what somebody said counts, also for odd names', () => {
  expect(directionOf('val_loss', { val_loss: 'higher' })).toBe('higher')
  expect(directionOf('constructor', {})).toBeNull()
  expect(bestReduce('val_loss', {})).toBe('min')
  expect(bestReduce('val_loss', { val_loss: 'higher' })).toBe('max')
  expect(bestReduce('epoch', {})).toBeNull()
  expect(isBest({ kind: 'metric', key: 'acc', reduce: 'max' }, {})).toBe(true)
  expect(isBest({ kind: 'metric', key: 'acc', reduce: 'min' }, {})).toBe(false)
  expect(isBest({ kind: 'metric', key: 'epoch', reduce: 'last' }, {})).toBe(false)
})

test('a difference has an arrow, a size and a word', () => {
  expect(delta(0.191, 0.204, 'lower')).toEqual({
    text: '▼ 0.013',
    words: '0.013 lower than the baseline, better',
    verdict: 'better',
  })
  expect(delta(0.3, 0.2, 'lower')?.verdict).toBe('worse')
  expect(delta(0.3, 0.2, 'higher')?.verdict).toBe('better')
  expect(delta(0.3, 0.2, null)?.verdict).toBe('other')
  expect(delta(1, 1, 'lower')?.verdict).toBe('same')
  expect(delta('NaN', 1, 'lower')).toBeNull()
  expect(delta(null, 1, 'lower')).toBeNull()
})

test('a filter by the best is told what somebody said, and nothing else is', () => {
  const said = { m: 'higher', t: 'lower' } as const
  expect(bestEnds('metrics.m.best > 1', said)).toEqual({ best: { m: 'max', t: 'min' } })
  expect(bestEnds('metrics.m > 1', said)).toEqual({})
  expect(bestEnds('metrics.m.best > 1', {})).toEqual({})
})
