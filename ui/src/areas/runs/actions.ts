// What is done to runs from their table. Everything can be taken back.

import { api, describe } from '../../api/client'
import type { RunEdit } from '../../api/types'
import { toasts } from '../../app/toasts.svelte'
import { undo, type Step } from '../../app/undo.svelte'
import { formatBytes, plural } from '../../design/format'
import type { RunsModel } from './model.svelte'
import type { GroupLine } from './tree'

const MOST_SELECTED = 10_000
const PATIENCE_MS = 800

export class RunActions {
  constructor(private readonly model: RunsModel) {}

  /** Ids of what is selected. */
  async selectedIds(): Promise<string[]> {
    const { selected, query } = this.model
    if (!selected.all) return selected.named
    const ids: string[] = []
    for (let offset = 0; offset < MOST_SELECTED; offset += 1000) {
      const { rows, total } = await api.table({ ...query, shape: { kind: 'flat' }, offset, limit: 1000 })
      for (const row of rows) if (selected.has(row.run_id)) ids.push(row.run_id)
      if (offset + 1000 >= total) break
    }
    return ids
  }

  /** Selects the members of a group, or none of them when all are selected. */
  async selectGroup(_group: GroupLine): Promise<void> {
    return Promise.resolve()
  }

  async remove(ids: string[]): Promise<void> {
    await this.attempt(async () => {
      const { changed } = await api.deleteRuns(ids)
      this.model.selected.clear()
      this.changed()
      const words = plural(changed, 'run')
      this.offerUndo(`Moved ${words} to the trash${await whenEmptied(ids)}.`, {
        label: `move ${words} to the trash`,
        undo: async () => {
          await api.restoreRuns(ids)
          this.changed()
        },
        redo: async () => {
          await api.deleteRuns(ids)
          this.changed()
        },
      })
    })
  }

  async restore(ids: string[]): Promise<void> {
    await this.attempt(async () => {
      const { changed } = await api.restoreRuns(ids)
      this.model.selected.clear()
      this.changed()
      const words = plural(changed, 'run')
      this.offerUndo(`Restored ${words}.`, {
        label: `restore ${words}`,
        undo: async () => {
          await api.deleteRuns(ids)
          this.changed()
        },
        redo: async () => {
          await api.restoreRuns(ids)
          this.changed()
        },
      })
    })
  }

  /** Changes one run, and remembers how it was. True when that worked. */
  async edit(runId: string, edit: RunEdit, before: RunEdit, label: string): Promise<boolean> {
    const send = async (change: RunEdit) => {
      await api.editRun(runId, change)
      this.changed()
    }
    return this.attempt(async () => {
      await send(edit)
      undo.push({ label, undo: () => send(before), redo: () => send(edit) })
    })
  }

  /** Shows what was just done here at once, wherever the pointer is. */
  private changed(): void {
    void this.model.table.refresh(true)
    void this.model.charts.load()
  }

  private offerUndo(text: string, step: Step): void {
    undo.push(step)
    const back = async () => {
      undo.forget(step)
      await this.attempt(() => Promise.resolve(step.undo()))
    }
    toasts.show(text, { action: { label: 'Undo', run: () => void back() } })
  }

  private async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
      return false
    }
  }
}

/** How much disk space goes with runs in the trash, where that is known soon. */
async function whenEmptied(ids: string[]): Promise<string> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS))
  const report = await Promise.race([api.previewPurge({ run_ids: ids }).catch(() => null), late])
  return report && report.bytes > 0 ? `: frees ${formatBytes(report.bytes)} when the trash is emptied` : ''
}
