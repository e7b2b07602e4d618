import { describe, expect, it } from 'vitest'
import { fit, rank } from '../src/frame/commands'
import { asked } from '../src/frame/palette-modes'
import { shortcuts } from '../src/app/shortcuts.svelte'
import { prefs } from '../src/app/prefs.svelte'

const named = (...labels: string[]) => labels.map((label) => ({ id: label, label }))
const order = (query: string, labels: string[], recent: string[] = []) =>
  rank(query, named(...labels), recent).map(({ label }) => label)

describe('the palette', () => {
  it('finds words, first letters and letters in order', () => {
    for (const query of ['theme', 'dark th', 'td', 'thdrk', 'THEME: DARK'])
      expect(fit(query, 'Theme: dark'), query).not.toBe(null)
    for (const query of ['light', 'xd', 'drakness']) expect(fit(query, 'Theme: dark'), query).toBe(null)
  })

  it('puts starts of words before letters in between', () => {
    expect(order('run', ['Prune files', 'Runs', 'Restore pruned'])[0]).toBe('Runs')
    expect(order('cs', ['Focus the search', 'Compare selected runs'])[0]).toBe('Compare selected runs')
  })

  it('leaves all as they are without a query, recent ones first', () => {
    expect(order('', ['a', 'b', 'c'], ['c'])).toEqual(['c', 'a', 'b'])
  })

  it('takes any text', () => {
    for (const query of ['(', '[', '\\', '*', '🚢', 'é'.repeat(300)])
      expect(() => fit(query, 'Runs (all) 🚢')).not.toThrow()
  })
})

describe('keys', () => {
  const press = (key: string, more: Partial<KeyboardEventInit> = {}, target: EventTarget = document.body) => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more })
    Object.defineProperty(event, 'target', { value: target })
    return shortcuts.handle(event)
  }

  it('two letters one after the other are one key', () => {
    const log: string[] = []
    const stop = shortcuts.screen('Test', [
      { keys: ['g r'], label: 'Runs', single: true, run: () => log.push('runs') },
      { keys: ['r'], label: 'R', single: true, run: () => log.push('r') },
    ])
    press('g')
    press('r')
    press('r')
    expect(log).toEqual(['runs', 'r'])
    stop()
  })

  it('single letters can be switched off and are not taken from text fields', () => {
    let count = 0
    const stop = shortcuts.screen('Test', [
      { keys: ['c'], label: 'C', single: true, run: () => (count += 1) },
      { keys: ['Ctrl+Z'], label: 'Undo', leaveText: true, run: () => (count += 10) },
    ])
    press('c', {}, document.createElement('input'))
    press('z', { ctrlKey: true }, document.createElement('textarea'))
    prefs.singleKeys = false
    press('c')
    prefs.singleKeys = true
    expect(count).toBe(0)
    press('c')
    press('z', { ctrlKey: true })
    expect(count).toBe(11)
    stop()
  })

  it('a part of the screen comes before the screen and goes with it', () => {
    const log: string[] = []
    const screen = shortcuts.screen('Screen', [{ keys: ['f'], label: 'F', run: () => log.push('screen') }])
    const part = shortcuts.part('Chart', [{ keys: ['f'], label: 'F', run: () => log.push('chart') }])
    press('f')
    part()
    press('f')
    screen()
    expect(press('f')).toBe(false)
    expect(log).toEqual(['chart', 'screen'])
  })
})

it('the first character of the palette asks for one kind of thing', () => {
  expect(asked('loss')).toEqual({ mode: 'all', query: 'loss' })
  expect(asked(' > theme ')).toEqual({ mode: 'commands', query: 'theme' })
  expect(asked('@seed')).toEqual({ mode: 'runs', query: 'seed' })
  expect(asked('#')).toEqual({ mode: 'tags', query: '' })
  expect(asked('= a = 1')).toEqual({ mode: 'filter', query: 'a = 1' })
  expect(asked('?')).toEqual({ mode: 'help', query: '' })
})
