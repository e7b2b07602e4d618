// Which changes of the view a person would call a step: they can be undone, and the coarse ones are places to go
// back to. Typing, dragging and sliding make one step, however many changes they are made of.

import type { RunsView } from '../../runset/view'

export interface ViewStep {
  /** What was done, as it reads after "Undid: ". */
  label: string
  /** Changes with the same word in quick succession are one step. */
  merge: string | null
  /** Worth an entry in the history of the window. */
  entry: boolean
}

const LABELS: Partial<Record<keyof RunsView, string>> = {
  experiments: 'choose experiments',
  filter: 'filter runs',
  search: 'find runs',
  trash: 'look at the trash',
  archived: 'look at archived runs',
  sort: 'sort runs',
  columns: 'change columns',
  nameWidth: 'change columns',
  flat: 'tree or list',
  first: 'choose runs in charts',
  hidden: 'hide runs',
  shown: 'show runs',
  spread: 'spread colours',
  pins: 'pin runs',
  baseline: 'set the baseline',
  deltas: 'show differences',
  differing: 'show differing columns',
  heat: 'shade metrics',
  sparks: 'show curves',
  group: 'group runs',
  colour: 'colour runs',
  directions: 'say what is better',
}
const ENTRIES: (keyof RunsView)[] = ['experiments', 'filter', 'search', 'trash', 'archived', 'sort', 'group']
/** How the window is divided is not a step. */
const SILENT: (keyof RunsView)[] = ['layout', 'split', 'closed', 'chartFilter']
const SLIDING: (keyof RunsView)[] = ['filter', 'search', 'nameWidth', 'smoothing', 'first']

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

function onlyWidths(before: RunsView, after: RunsView): boolean {
  const bare = (view: RunsView) => view.columns?.map(({ ref, pinned }) => ({ ref, pinned }))
  return before.columns !== null && same(bare(before), bare(after))
}

/** Null when there is nothing to undo. */
export function stepOf(before: RunsView, after: RunsView): ViewStep | null {
  const keys = (Object.keys(after) as (keyof RunsView)[]).filter((key) => !same(before[key], after[key]))
  const loud = keys.filter((key) => !SILENT.includes(key))
  const [first] = loud
  if (first === undefined) return null
  const sliding = loud.find((key) => SLIDING.includes(key))
  const widths = loud.length === 1 && first === 'columns' && onlyWidths(before, after)
  return {
    label: LABELS[first] ?? 'change the charts',
    merge: widths ? 'columns' : loud.length === 1 ? (sliding ?? null) : null,
    entry: keys.some((key) => ENTRIES.includes(key)),
  }
}
