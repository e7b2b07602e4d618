import { expect, test } from 'vitest'
import {
  bytesOf,
  countOf,
  ending,
  millisecondsOf,
  needsShell,
  shownCommand,
  variablesOf,
  wordsOf,
} from '../src/areas/jobs/words'

test('a line is split as a shell does with quotes', () => {
  expect(wordsOf(`python  train.py --name 'a b' "c \\"d\\"" e\\ f ''`).words).toEqual([
    'python',
    'train.py',
    '--name',
    'a b',
    'c "d"',
    'e f',
    '',
  ])
  expect(wordsOf(`echo 'open`).problem).toBe("A ' is not closed.")
})

test('what is shown of words is split into the same words', () => {
  for (const words of [['a'], ["it's", '', 'x y'], ['$HOME', '*', 'a"b', '\\']])
    expect(wordsOf(shownCommand({ argv: words })).words).toEqual(words)
})

test('a shell is needed for what only it understands', () => {
  expect(needsShell('python train.py > log')).toBe(true)
  expect(needsShell(`python -c 'print(1 > 2)'`)).toBe(false)
})

test('sizes, times and variables are read or refused', () => {
  expect(['4 GB', '512MiB', '1.5g', '12'].map(bytesOf)).toEqual([4e9, 512 * 1024 ** 2, 1.5e9, 12])
  expect(bytesOf('much')).toBeNull()
  expect(['90 s', '30m', '2 h', '5'].map(millisecondsOf)).toEqual([90_000, 1_800_000, 7_200_000, 5000])
  expect(millisecondsOf('soon')).toBeNull()
  expect(variablesOf('A=1\n\nB=x=y').variables).toEqual({ A: '1', B: 'x=y' })
  expect(variablesOf('oops').problem).toContain('oops')
})

test('a job that ends says when it will be killed', () => {
  const job = { state: 'running', cancel_ms: 1000 } as Parameters<typeof ending>[0]
  expect(ending(job, 10_000, 3000)).toBe('Ending… will be killed in 8 s')
  expect(ending(job, 10_000, 20_000)).toBe('Ending… being killed')
  expect(ending({ ...job, state: 'canceled' }, 10_000, 3000)).toBe('')
})

test('counts are summed over states', () => {
  const counts = [
    { state: 'queued' as const, jobs: 3 },
    { state: 'failed' as const, jobs: 2 },
  ]
  expect([countOf(counts, []), countOf(counts, ['queued'])]).toEqual([5, 3])
})
