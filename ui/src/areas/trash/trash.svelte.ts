// The trash as the page shows it: what lies in it, what is selected, and the work of deleting it for ever.

import { SvelteMap, SvelteSet } from 'svelte/reactivity'
import { api, describe } from '../../api/client'
import type { GcReport, PurgeReport, TrashItem, TrashSelection, TrashWork } from '../../api/types'
import { toasts } from '../../app/toasts.svelte'
import { formatBytes, plural } from '../../design/format'
import { keyOf, selectionOf, wordsOf } from './words'

const PAGE = 100
const POLL_MS = 400

type Problem = { message: string; hint?: string }

class Trash {
  items = $state.raw<TrashItem[] | null>(null)
  total = $state(0)
  problem = $state.raw<Problem | null>(null)
  /** Sizes come later than the list, since files have to be counted. */
  sizes = new SvelteMap<string, NonNullable<TrashItem['size']>>()
  selected = new SvelteSet<string>()
  work = $state.raw<TrashWork | null>(null)
  /** What the last deletion kept or could not do. */
  report = $state.raw<PurgeReport | null>(null)
  garbage = $state.raw<GcReport | null>(null)
  looking = $state(false)
  private shown = PAGE
  private following = false

  get busy(): boolean {
    return this.work?.state === 'running'
  }

  get chosen(): TrashItem[] {
    return (this.items ?? []).filter((item) => this.selected.has(keyOf(item)))
  }

  async load(): Promise<void> {
    try {
      const items: TrashItem[] = []
      let more = true
      while (more && items.length < this.shown) {
        const page = await api.trash(items.length, PAGE, false)
        items.push(...page.items)
        more = page.items.length === PAGE
        this.total = page.experiments + page.runs + page.logged_models
        if (page.work?.state === 'running') void this.follow(page.work)
      }
      this.items = items
      this.problem = null
      const there = new Set(items.map(keyOf))
      for (const key of this.selected) if (!there.has(key)) this.selected.delete(key)
      for (let offset = 0; offset < items.length; offset += PAGE) {
        const page = await api.trash(offset, PAGE, true)
        for (const item of page.items) if (item.size) this.sizes.set(keyOf(item), item.size)
      }
    } catch (error) {
      this.problem = describe(error)
    }
  }

  showMore(): void {
    this.shown += PAGE
    void this.load()
  }

  toggle(item: TrashItem): void {
    const key = keyOf(item)
    if (!this.selected.delete(key)) this.selected.add(key)
  }

  toggleAll(): void {
    const keys = (this.items ?? []).map(keyOf)
    const all = keys.every((key) => this.selected.has(key))
    for (const key of keys) {
      if (all) this.selected.delete(key)
      else this.selected.add(key)
    }
  }

  async restore(items: TrashItem[]): Promise<void> {
    try {
      await api.restoreTrash(selectionOf(items))
      toasts.show(`Restored ${wordsOf(items)}.`)
      for (const item of items) this.selected.delete(keyOf(item))
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
    await this.load()
  }

  async purge(selection: TrashSelection): Promise<void> {
    this.report = null
    await this.begin(() => api.purge(selection))
  }

  /** Looks for files that nothing refers to. */
  async look(): Promise<void> {
    this.looking = true
    try {
      this.garbage = await api.previewGc()
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    } finally {
      this.looking = false
    }
  }

  async collect(): Promise<void> {
    await this.begin(() => api.gc())
    await this.look()
  }

  private async begin(send: () => Promise<TrashWork>): Promise<void> {
    this.work = { state: 'running', done: 0, total: 0, bytes: 0 }
    // The answer comes with the end of the work or after a while; meanwhile its progress is asked for.
    const answer = send()
    const asking = this.poll()
    try {
      this.tell(await this.toTheEnd(await answer))
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    } finally {
      this.work = null
      await asking
    }
    await this.load()
  }

  /** Work that was begun elsewhere: by another window, or at an earlier start. */
  private async follow(work: TrashWork): Promise<void> {
    if (this.busy || this.following) return
    this.following = true
    this.work = work
    try {
      await this.toTheEnd(work)
    } catch {
      // The list says what is left.
    } finally {
      this.following = false
      this.work = null
    }
    await this.load()
  }

  private async toTheEnd(work: TrashWork): Promise<TrashWork> {
    while (work.state === 'running') {
      this.work = work
      work = await api.trashWork(POLL_MS)
    }
    return work
  }

  private async poll(): Promise<void> {
    while (this.work) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      try {
        const work = await api.trashWork(0)
        if (this.work && work.state === 'running') this.work = work
      } catch {
        // Nothing to show yet.
      }
    }
  }

  private tell(work: TrashWork): void {
    if (work.state === 'failed') {
      const why = work.problem ?? 'no reason was given'
      toasts.show(`Not everything was deleted: ${why}`, { kind: 'error' })
    } else if (work.purged) {
      const { purged } = work
      const count = purged.experiments + purged.runs + purged.logged_models + purged.versions
      toasts.show(`Deleted ${plural(count, 'thing')} for ever, freed ${formatBytes(purged.bytes)}.`)
      if (purged.kept.length + purged.outside.length + purged.problems.length > 0) this.report = purged
    } else if (work.collected) {
      toasts.show(`Freed ${formatBytes(work.collected.bytes + work.collected.upload_bytes)}.`)
    }
  }
}

export const trash = new Trash()
