// The keys of the table, when a cell has the focus.

import { prefs } from '../../app/prefs.svelte'
import { router } from '../../app/router.svelte'
import type { RunsModel } from './model.svelte'
import { below, type Spot } from './tree'

export interface GridCursor {
  row: number
  col: number
  lastRow: number
  lastCol: number
  /** Rows in view. */
  page: number
  go: (row: number, col: number) => void
  select: (position: number, spot: Spot, range: boolean) => void
  peek: () => void
  edit: (what: 'note' | 'tags') => void
  copy: (whole: boolean) => void
}

/** True when the key meant something. */
export function gridKey(event: KeyboardEvent, model: RunsModel, cursor: GridCursor): boolean {
  const { table, selected } = model
  const { row, col, go } = cursor
  const spot = row >= 0 ? table.at(row) : null
  const letter = prefs.singleKeys ? event.key.toLowerCase() : ''
  const command = event.ctrlKey || event.metaKey
  if (command) {
    if (event.key.toLowerCase() === 'a') selected.selectAll()
    else if (event.key.toLowerCase() === 'c' && !String(getSelection() ?? '')) cursor.copy(event.shiftKey)
    else if (event.key === 'Home') go(0, col)
    else if (event.key === 'End') go(cursor.lastRow, col)
    else return false
    return true
  }
  if (event.altKey && letter !== 'o' && event.key !== ' ') return false
  if (move(event, letter, spot, model, cursor)) return true
  if (event.key === 'Escape' && selected.size > 0) selected.clear()
  else if (!spot?.line) return false
  else if (event.key === ' ' && col === 1) cursor.select(row, spot, event.shiftKey)
  else if (letter === 'x') cursor.select(row, spot, event.shiftKey)
  else if (spot.line.kind === 'group') {
    if (event.key !== 'Enter' && event.key !== ' ') return false
    void table.toggle(spot)
  } else return runKey(event, letter, spot.line.id, model, cursor)
  return true
}

function move(
  event: KeyboardEvent,
  letter: string,
  spot: Spot | null,
  { table, selected }: RunsModel,
  { row, col, lastCol, page, go }: GridCursor,
): boolean {
  const extend = (to: number) => {
    for (const line of [spot?.line, table.at(to)?.line]) if (line?.kind === 'run') selected.add(line.id)
  }
  const line = spot?.line
  const open = line ? table.isExpanded(line.id) : false
  switch (event.key) {
    case 'ArrowDown':
      if (event.shiftKey) extend(row + 1)
      go(row + 1, col)
      return true
    case 'ArrowUp':
      if (event.shiftKey && row > 0) extend(row - 1)
      go(row - 1, col)
      return true
    case 'ArrowRight':
      if (col === 3 && line && spot && below(line) > 0 && !open) void table.toggle(spot)
      else go(row, col + 1)
      return true
    case 'ArrowLeft':
      if (col === 3 && spot && open) void table.toggle(spot)
      else go(row, col - 1)
      return true
    case 'PageDown':
      go(row + page, col)
      return true
    case 'PageUp':
      go(Math.max(0, row - page), col)
      return true
    case 'Home':
      go(row, 1)
      return true
    case 'End':
      go(row, lastCol)
      return true
  }
  if (letter !== 'j' && letter !== 'k') return false
  go(row + (letter === 'j' ? 1 : -1), col)
  return true
}

function runKey(
  event: KeyboardEvent,
  letter: string,
  id: string,
  model: RunsModel,
  cursor: GridCursor,
): boolean {
  const line = model.table.at(cursor.row)?.line
  if (line?.kind !== 'run') return false
  if (event.key === 'Enter') router.go(`/run/${id}`)
  else if (letter === 'o' || (event.key === ' ' && event.altKey)) model.charts.toggleSolo(line.row)
  else if ((event.key === ' ' && cursor.col === 2) || letter === 'h') model.charts.toggle(id)
  else if (event.key === ' ') cursor.peek()
  else if (letter === 'b') model.toggleBaseline(id)
  else if (letter === 'p') model.togglePin(id)
  else if (letter === 'm') cursor.edit('note')
  else if (letter === 't') cursor.edit('tags')
  else if (event.key === 'Delete') void deleteKey(model, id)
  else return false
  return true
}

async function deleteKey(model: RunsModel, id: string): Promise<void> {
  const ids = model.selected.size > 0 ? await model.actions.selectedIds() : [id]
  await (model.view.trash ? model.actions.restore(ids) : model.actions.remove(ids))
}
