// Saved views: the list of them, and which one the Runs screen was opened from. Their files can be edited elsewhere, so
// they are read again while the page is looked at.

import { api, describe } from '../api/client'
import type { SavedView } from '../api/types'
import { fingerprint, fromDocument, toDocument, unknownFields } from '../runset/document'
import { parseView, printView, type RunsView } from '../runset/view'
import { catalog } from './catalog.svelte'
import { router } from './router.svelte'
import { toasts } from './toasts.svelte'
import { undo } from './undo.svelte'

const READ_AGAIN_MS = 3000

/** What the address remembers of the view it was opened from. */
const NAME = 'view'

class Views {
  list = $state.raw<SavedView[]>([])
  projects = $state.raw<string[]>([])
  loaded = $state(false)
  /** The saved state that the open one is compared with. */
  private base = $state.raw<{ view: SavedView; print: string } | null>(null)

  /** The saved view that is open; null when none is. */
  open = $derived(this.list.find((view) => view.name === router.place.params[NAME]) ?? null)
  /** What is on screen, without the name of the view. */
  private shown = $derived(parseView(router.place.params))
  /** It was changed since it was opened or saved. */
  changed = $derived(this.open !== null && this.base !== null && this.base.print !== fingerprint(this.shown))

  /** Reads the list again and again while somebody looks. Returns what stops it. */
  follow(): () => void {
    void this.load()
    const timer = setInterval(() => {
      if (!document.hidden) void this.load()
    }, READ_AGAIN_MS)
    return () => clearInterval(timer)
  }

  async load(): Promise<void> {
    try {
      const { views, projects } = await api.views()
      this.take(views)
      this.projects = projects
      this.loaded = true
    } catch {
      // The status says that the server is away.
    }
  }

  private take(list: SavedView[]): void {
    if (JSON.stringify(list) !== JSON.stringify(this.list)) this.list = list
    const open = this.open
    if (!open) {
      this.base = null
      return
    }
    if (this.base?.view.revision === open.revision && this.base.view.file === open.file) return
    const untouched = this.base !== null && !this.changed
    const isNew = this.base?.view.file !== open.file
    this.setBase(open)
    // Somebody edited the file: what shows it follows, unless it was changed here, too.
    if (untouched && !isNew && open.document) {
      this.show(open)
      toasts.show(`The file of “${open.name}” changed; this is what it says now.`)
    }
  }

  private setBase(view: SavedView): void {
    const said = view.document ? fingerprint(fromDocument(view.document, catalog.experiments)) : ''
    this.base = { view, print: said }
  }

  /** Shows what a saved view says. */
  show(view: SavedView): void {
    if (!view.document) {
      toasts.show(`“${view.name}” cannot be opened: ${view.problem ?? 'its file is damaged'}`, {
        kind: 'error',
      })
      return
    }
    this.setBase(view)
    const params = { ...printView(fromDocument(view.document, catalog.experiments)), [NAME]: view.name }
    if (router.place.path === '/runs') router.replaceParams(params)
    else router.go('/runs', params)
  }

  reset(): void {
    if (this.open) this.show(this.open)
  }

  /** Saves what is on screen as the open view. False when it has no name yet. */
  async save(): Promise<boolean> {
    const open = this.open
    if (!open?.document) return false
    await this.put(open.name, open.project ?? null, this.shown, open)
    return true
  }

  async saveAs(name: string, project: string | null): Promise<boolean> {
    return this.put(name.trim(), project, this.shown, null)
  }

  private async put(
    name: string,
    project: string | null,
    view: RunsView,
    old: SavedView | null,
  ): Promise<boolean> {
    try {
      const saved = await api.saveView({
        name,
        project,
        document: { ...toDocument(view, catalog.experiments), ...unknownFields(old?.document ?? {}) },
        revision: old?.revision,
      })
      this.list = [...this.list.filter((other) => other.file !== saved.file), saved]
      this.setBase(saved)
      router.replaceParams({ ...printView(view), [NAME]: saved.name })
      toasts.show(`Saved “${saved.name}”.`)
      return true
    } catch (error) {
      const { message, hint } = describe(error)
      toasts.show([message, hint].filter(Boolean).join(' '), { kind: 'error' })
      return false
    }
  }

  async rename(view: SavedView, name: string): Promise<void> {
    if (!view.document || name.trim() === view.name) return
    try {
      const saved = await api.saveView({ name: name.trim(), project: view.project, document: view.document })
      await api.deleteView({ name: view.name, project: view.project })
      await this.load()
      if (router.place.params[NAME] === view.name) {
        router.replaceParams({ ...router.place.params, [NAME]: saved.name })
        this.setBase(saved)
      }
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
  }

  async remove(view: SavedView): Promise<void> {
    const gone = async () => {
      await api.deleteView({ name: view.name, project: view.project })
      await this.load()
    }
    const back = async () => {
      await api.saveView({ name: view.name, project: view.project, document: view.document ?? {} })
      await this.load()
    }
    try {
      await gone()
      // A file that could not be read cannot be written again.
      if (view.document) undo.push({ label: `delete the view “${view.name}”`, undo: back, redo: gone })
      toasts.show(`Deleted “${view.name}”.`, {
        action: view.document ? { label: 'Undo', run: () => void undo.undo() } : undefined,
      })
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
    }
  }

  async addProject(path: string): Promise<boolean> {
    try {
      const { views, projects } = await api.viewProject({ path })
      this.take(views)
      this.projects = projects
      return true
    } catch (error) {
      const { message, hint } = describe(error)
      toasts.show([message, hint].filter(Boolean).join(' '), { kind: 'error' })
      return false
    }
  }
}

export const views = new Views()
