// Which chart an action from the palette is for: the one that had the focus last, or else the first on the page.

import type { Shortcut } from '../app/shortcuts.svelte'
import { toasts } from '../app/toasts.svelte'

/** Gives what a key does in a chart. */
type Keys = (event: KeyboardEvent) => (() => void) | undefined

const charts = new Map<HTMLElement, Keys>()
let last: HTMLElement | null = null

/** A chart is there until the returned function is called. */
export function addChart(frame: HTMLElement, keys: Keys): () => void {
  charts.set(frame, keys)
  const focused = () => (last = frame)
  frame.addEventListener('focusin', focused)
  return () => {
    charts.delete(frame)
    frame.removeEventListener('focusin', focused)
    if (last === frame) last = null
  }
}

const inOrder = (a: HTMLElement, b: HTMLElement): number =>
  a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1

/** Does in the current chart what the key would do there. */
function press(key: string): void {
  const frame = last ?? [...charts.keys()].sort(inOrder)[0]
  const action = frame && charts.get(frame)?.(new KeyboardEvent('keydown', { key }))
  if (action) {
    frame.focus()
    action()
  } else toasts.show(frame ? 'This chart has nothing of the kind.' : 'There is no chart here.')
}

const of = (key: string, label: string): Shortcut => ({
  keys: [key],
  label,
  elsewhere: true,
  single: true,
  run: () => press(key),
})

/** What can be done in the chart that has the focus, for the palette and the sheet of keys. */
export const CHART_ACTIONS: Shortcut[] = [
  of('+', 'Chart: zoom in'),
  of('-', 'Chart: zoom out'),
  of('0', 'Chart: show all'),
  of('[', 'Chart: less smoothing'),
  of(']', 'Chart: more smoothing'),
  of('l', 'Chart: logarithmic or linear y axis'),
  of('x', 'Chart: next x axis'),
  of('t', 'Chart: as a table or as a picture'),
  of('c', 'Chart: copy the image'),
  of('f', 'Chart: full screen'),
  { keys: ['←', '→'], label: 'On a chart: move the crosshair; Shift by a tenth' },
  { keys: ['Alt+←', 'Alt+→'], label: 'On a chart: move the chart among the others' },
]
