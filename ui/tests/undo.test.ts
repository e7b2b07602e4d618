import { beforeEach, describe, expect, it } from 'vitest'
import { toasts } from '../src/app/toasts.svelte'
import { undo } from '../src/app/undo.svelte'

let value = 0
const step = (label: string, by: number) => ({
  label,
  undo: () => void (value -= by),
  redo: () => void (value += by),
})

beforeEach(async () => {
  while (await undo.undo());
  undo.push(step('clear', 0))
  await undo.undo()
  value = 0
})

describe('undo', () => {
  it('takes steps back in reverse order and does them again', async () => {
    value = 11
    undo.push(step('one', 1))
    undo.push(step('ten', 10))
    expect(undo.last).toBe('ten')
    await undo.undo()
    expect([value, undo.last, undo.next]).toEqual([1, 'one', 'ten'])
    await undo.undo()
    expect([value, undo.last]).toEqual([0, null])
    await undo.redo()
    await undo.redo()
    expect([value, undo.next]).toEqual([11, null])
  })

  it('forgets what was undone when something new is done', async () => {
    undo.push(step('one', 1))
    await undo.undo()
    undo.push(step('ten', 10))
    expect(undo.next).toBe(null)
    expect(await undo.redo()).toBe(false)
  })

  it('says what failed and forgets it', async () => {
    undo.push({ label: 'move 3 runs', undo: () => Promise.reject(new Error('gone')), redo: () => undefined })
    expect(await undo.undo()).toBe(false)
    expect(undo.last).toBe(null)
    expect(toasts.list.at(-1)).toMatchObject({
      kind: 'error',
      text: '“move 3 runs” cannot be undone: gone',
    })
  })

  it('does not overtake a step that is under way', async () => {
    let finish = () => {}
    undo.push(step('one', 1))
    undo.push({
      label: 'slow',
      undo: () => new Promise((resolve) => (finish = resolve)),
      redo: () => undefined,
    })
    const slow = undo.undo()
    expect(await undo.undo()).toBe(false)
    finish()
    expect(await slow).toBe(true)
    expect(undo.last).toBe('one')
  })

  it('keeps the last hundred', async () => {
    for (let i = 0; i < 130; i += 1) undo.push(step(String(i), 0))
    let count = 0
    while (await undo.undo()) count += 1
    expect(count).toBe(100)
  })
})
