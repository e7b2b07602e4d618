// Keys of the whole window and of the screen that is open, and what that screen says in the frame around it.

import { prefs } from './prefs.svelte'

export interface Shortcut {
  keys: string[]
  label: string
  /** A single letter: it can be turned off, and does nothing while text is typed. */
  single?: boolean
  /** Absent: handled elsewhere, listed here for the sheet. */
  run?: () => void
}

export interface Crumb {
  label: string
  href?: string
}

class Shortcuts {
  /** Those of the open screen, with its name. */
  local = $state.raw<{ name: string; list: Shortcut[] }>({ name: '', list: [] })
  global = $state.raw<Shortcut[]>([])
  crumb = $state.raw<Crumb[]>([])
  /** What the status bar says about the open screen. */
  counts = $state('')

  screen(name: string, list: Shortcut[]): () => void {
    const mine = { name, list }
    this.local = mine
    return () => {
      if (this.local === mine) this.local = { name: '', list: [] }
    }
  }

  /** Runs what the key stands for. True when there was something. */
  handle(event: KeyboardEvent): boolean {
    const pressed = printKey(event)
    const typing = isTyping(event.target)
    for (const shortcut of [...this.local.list, ...this.global]) {
      if (!shortcut.run || !shortcut.keys.includes(pressed)) continue
      if (shortcut.single && (typing || !prefs.singleKeys)) continue
      event.preventDefault()
      shortcut.run()
      return true
    }
    return false
  }
}

export const shortcuts = new Shortcuts()

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'range', 'button'].includes(target.type)
  return (
    target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
  )
}

/** `Ctrl+K`, `Alt+←`, `?`: Ctrl stands for Cmd as well. */
export function printKey(event: KeyboardEvent): string {
  const names: Record<string, string> = { ArrowLeft: '←', ArrowRight: '→', ' ': 'Space' }
  const key = names[event.key] ?? (event.key.length === 1 ? event.key : event.key)
  const command = event.ctrlKey || event.metaKey
  if (!command && !event.altKey) return event.shiftKey && event.key.length > 1 ? `Shift+${key}` : key
  return (
    (command ? 'Ctrl+' : '') +
    (event.altKey ? 'Alt+' : '') +
    (event.shiftKey ? 'Shift+' : '') +
    (key.length === 1 ? key.toUpperCase() : key)
  )
}
