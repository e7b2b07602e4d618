// What is done to runs from their table. Everything can be taken back.

import { api, describe } from '../../api/client'
import type { BulkAction, BulkTarget, RunEdit } from '../../api/types'
import { toasts } from '../../app/toasts.svelte'
import { undo, type Step } from '../../app/undo.svelte'
import { formatBytes, plural } from '../../design/format'
import type { RunsModel } from './model.svelte'
import type { GroupLine } from './tree'

const MOST_SELECTED = 10_000
/** More runs than fit side by side. */
const MOST_COMPARED = 200
const PATIENCE_MS = 800

interface BulkWords {
  /** `Archived`, before `3 runs`, and what comes after. */
  done: [string, string?]
  /** `archive`, after "Undid: ", and what comes after `3 runs`. */
  todo: [string, string?]
  /** Disk space goes with it. */
  frees?: boolean
}

function targetOf(ids: string[] | undefined, actions: RunActions): BulkTarget {
  return ids ? { run_ids: ids } : actions.target()
}

export class RunActions {
  constructor(private readonly model: RunsModel) {}

  /** Ids of what is selected, as many as can be looked at together. */
  async selectedIds(): Promise<string[]> {
    const { selected, query } = this.model
    if (!selected.all) return selected.named
    const ids: string[] = []
    await this.attempt(async () => {
      const { rows } = await api.table({ ...query, shape: { kind: 'flat' }, limit: MOST_COMPARED })
      for (const row of rows) if (selected.has(row.run_id)) ids.push(row.run_id)
    })
    return ids
  }

  /** What is selected, as the server understands it: ids, or a question without some of its answers. */
  target(): BulkTarget {
    const { selected, query } = this.model
    if (!selected.all) return { run_ids: selected.named }
    const out = selected.named.map((id) => `'${id.replaceAll("'", '')}'`).join(', ')
    const rest = out ? `attributes.run_id NOT IN (${out})` : ''
    const filter = [query.filter ? `(${query.filter})` : '', rest].filter(Boolean).join(' AND ')
    return { query: { ...query, filter: rest ? filter : query.filter } }
  }

  /** Does the same to many runs. */
  async bulk(target: BulkTarget, action: BulkAction, words: BulkWords): Promise<boolean> {
    const act = async () => {
      const done = await api.bulk({ target, action })
      this.changed()
      return done
    }
    return this.attempt(async () => {
      const ids = 'run_ids' in target ? target.run_ids : null
      const done = await act()
      let token = done.undo
      this.model.selected.clear()
      const say = ([before, after = '']: [string, string?]) =>
        `${before} ${plural(done.changed, 'run')}${after}`
      const space = words.frees && ids ? await whenEmptied(ids) : ''
      if (!token) {
        const why = done.changed > 0 ? ' That is too much to be taken back at once.' : ''
        toasts.show(`${say(words.done)}${space}.${why}`)
        return
      }
      this.offerUndo(`${say(words.done)}${space}.`, {
        label: say(words.todo),
        undo: async () => {
          if (token) await api.undoBulk(token)
          this.changed()
        },
        redo: async () => {
          token = (await act()).undo
        },
      })
    })
  }

  /** Takes the ids, or what is selected when there are none. */
  archive(ids?: string[]): Promise<boolean> {
    return this.bulk(targetOf(ids, this), { kind: 'archive' }, { done: ['Archived'], todo: ['archive'] })
  }

  unarchive(ids?: string[]): Promise<boolean> {
    const words = {
      done: ['Took', ' out of the archive'],
      todo: ['take', ' out of the archive'],
    } satisfies BulkWords
    return this.bulk(targetOf(ids, this), { kind: 'unarchive' }, words)
  }

  remove(ids?: string[]): Promise<boolean> {
    const words = {
      done: ['Moved', ' to the trash'],
      todo: ['move', ' to the trash'],
      frees: true,
    } satisfies BulkWords
    return this.bulk(targetOf(ids, this), { kind: 'delete' }, words)
  }

  restore(ids?: string[]): Promise<boolean> {
    return this.bulk(targetOf(ids, this), { kind: 'restore' }, { done: ['Restored'], todo: ['restore'] })
  }

  move(experimentId: string, name: string): Promise<boolean> {
    const words = { done: ['Moved', ` to ${name}`], todo: ['move', ` to ${name}`] } satisfies BulkWords
    return this.bulk(this.target(), { kind: 'move', experiment_id: experimentId }, words)
  }

  tag(key: string, value: string): Promise<boolean> {
    const words = { done: [`Set the tag ${key} of`], todo: [`set the tag ${key} of`] } satisfies BulkWords
    return this.bulk(this.target(), { kind: 'set_tags', tags: { [key]: value } }, words)
  }

  untag(key: string): Promise<boolean> {
    const words = {
      done: [`Removed the tag ${key} from`],
      todo: [`remove the tag ${key} from`],
    } satisfies BulkWords
    return this.bulk(this.target(), { kind: 'remove_tags', keys: [key] }, words)
  }

  /** Selects the members of a group; when they are selected already, none of them. */
  async selectGroup(group: GroupLine): Promise<void> {
    const { query, view, selected } = this.model
    await this.attempt(async () => {
      const ids: string[] = []
      for (let offset = 0; offset < MOST_SELECTED; offset += 1000) {
        const { rows, total } = await api.table({
          ...query,
          group: { by: view.group, key: group.key },
          shape: { kind: 'flat' },
          offset,
          limit: 1000,
        })
        for (const row of rows) ids.push(row.run_id)
        if (offset + 1000 >= total) break
      }
      const all = ids.every((id) => selected.has(id))
      for (const id of ids) {
        if (all) selected.delete(id)
        else selected.add(id)
      }
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
    toasts.show(text, { action: { label: 'Undo', run: () => void undo.undo(step) } })
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

let recalled = false

/** Changes to many runs from before this page was opened, so that a restart is no reason why they stay. */
export async function recallChanges(changed: () => void): Promise<void> {
  if (recalled) return
  recalled = true
  try {
    const { undos } = await api.undos()
    const step = ({ label, undo: token }: (typeof undos)[number]): Step => ({
      label,
      undo: async () => {
        await api.undoBulk(token)
        changed()
      },
    })
    undo.recall(undos.map(step).reverse())
  } catch {
    // What was done since can be taken back all the same.
  }
}

/** How much disk space goes with runs in the trash, where that is known soon. */
async function whenEmptied(ids: string[]): Promise<string> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS))
  const report = await Promise.race([api.previewPurge({ run_ids: ids }).catch(() => null), late])
  return report && report.bytes > 0 ? `: frees ${formatBytes(report.bytes)} when the trash is emptied` : ''
}
