// What can be done to the run under the table's cursor, for the palette and the sheet of keys. The table itself handles
// the keys while it has the focus.

import { router } from '../../app/router.svelte'
import type { Shortcut } from '../../app/shortcuts.svelte'
import { toasts } from '../../app/toasts.svelte'
import type { RunsModel } from './model.svelte'
import type { RunLine } from './tree'

export function rowActions(model: RunsModel, copy: (whole: boolean) => void): Shortcut[] {
  const withRun = (act: (line: RunLine) => void) => () => {
    const line = model.cursor === null ? null : model.table.find(model.cursor)
    if (line?.kind === 'run') act(line)
    else toasts.show('There is no run under the cursor of the table.')
  }
  const edit = (what: 'note' | 'tags') =>
    withRun(({ id, row }) => (model.editing = { what, id, name: row.name }))
  /** Those that are selected, or else the one under the cursor. */
  const chosen = (act: (ids?: string[]) => Promise<unknown>) =>
    withRun(({ id }) => void act(model.selected.size > 0 ? undefined : [id]))
  const { actions, charts, selected } = model
  const list: Shortcut[] = [
    { keys: ['Enter'], label: 'Open the run', run: withRun(({ id }) => router.go(`/run/${id}`)) },
    { keys: ['Space'], label: 'Peek at the run', run: () => (model.peeking = !model.peeking) },
    {
      keys: ['h', 'Space on the eye'],
      label: 'Show or hide the run in charts',
      run: withRun(({ id }) => charts.toggle(id)),
    },
    {
      keys: ['o', 'Alt+click on the eye'],
      label: 'Show only this run',
      run: withRun(({ row }) => charts.toggleSolo(row)),
    },
    { keys: ['b'], label: 'Make the run the baseline', run: withRun(({ id }) => model.toggleBaseline(id)) },
    { keys: ['p'], label: 'Pin the run to the top', run: withRun(({ id }) => model.togglePin(id)) },
    { keys: ['t'], label: 'Edit the tags of the run', run: edit('tags') },
    { keys: ['m'], label: 'Edit the notes of the run', run: edit('note') },
    { keys: ['x'], label: 'Select the run', run: withRun(({ id }) => selected.toggle(id)) },
    { keys: ['Ctrl+A'], label: 'Select all matching runs', run: () => selected.selectAll() },
    { keys: ['Ctrl+C'], label: 'Copy the cell', run: () => copy(false) },
    { keys: ['Ctrl+Shift+C'], label: 'Copy the row', run: () => copy(true) },
    { keys: ['Del'], label: 'Archive the selected runs', run: chosen((ids) => actions.archive(ids)) },
    {
      keys: ['Shift+Del'],
      label: 'Move the selected runs to the trash',
      run: chosen((ids) => actions.remove(ids)),
    },
  ]
  return list.map((action) => ({ ...action, elsewhere: true, single: action.keys[0]?.length === 1 }))
}
