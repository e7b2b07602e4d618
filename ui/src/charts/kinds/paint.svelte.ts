// Colours for charts that are drawn on a canvas, which knows no tokens: they are read anew when the theme changes.

import { prefs } from '../../app/prefs.svelte'
import { runLook, SLOTS } from '../../design/colors'

export interface Paint {
  bg: string
  raised: string
  text: string
  muted: string
  border: string
  axis: string
  accent: string
  /** Colours of runs, and of categories. */
  slots: string[]
  /** Dark to light. */
  sequence: string[]
  /** The part of it that stands out from the page, for thin marks. */
  lines: string[]
  low: string
  high: string
}

/** To be read in a derived value: it changes with the theme. */
export function paint(): Paint {
  const style = getComputedStyle(document.documentElement)
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const sequence = Array.from({ length: 9 }, (_, i) => token(`seq-${i}`))
  return {
    bg: token('bg'),
    raised: token('raised'),
    text: token('text'),
    muted: token('text-muted'),
    border: token('border'),
    axis: token('border-strong'),
    accent: token('accent'),
    slots: Array.from({ length: SLOTS }, (_, i) => token(`run-${i + 1}`)),
    sequence,
    lines: prefs.resolvedTheme === 'dark' ? sequence.slice(2) : sequence.slice(0, 8),
    low: token('div-low'),
    high: token('div-high'),
  }
}

export const runPaint = (colours: Paint, runId: string): string =>
  colours.slots[runLook(runId).slot - 1] ?? colours.accent

/** The colour of a category; beyond the slots they repeat. */
export const categoryPaint = (colours: Paint, code: number): string =>
  colours.slots[code % colours.slots.length] ?? colours.accent

function channels(hex: string): [number, number, number] {
  const value = parseInt(hex.slice(1), 16)
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255]
}

/** The colour at a place from 0 to 1 of a sequence. */
export function along(sequence: string[], at: number): string {
  const place = Math.min(1, Math.max(0, at)) * (sequence.length - 1)
  const low = Math.min(sequence.length - 2, Math.floor(place))
  const [a, b] = [channels(sequence[low] ?? '#000000'), channels(sequence[low + 1] ?? '#000000')]
  const mixed = a.map((from, i) => Math.round(from + ((b[i] ?? from) - from) * (place - low)))
  return `rgb(${mixed.join(',')})`
}
