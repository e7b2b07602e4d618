// Everything a person can do here, in one list: it feeds the keys, the sheet of keys and the palette, so that the three
// cannot disagree. Each screen registers its own actions. Also what that screen says in the frame around it.

import { untrack } from 'svelte'
import { prefs } from './prefs.svelte'

export interface Shortcut {
  /** `Ctrl+K`, `?`, or two keys one after the other: `g r`. Empty: only in the palette. */
  keys: string[]
  /** Empty: a key that only repeats what another one does. */
  label: string
  /** A single letter: it can be turned off, and does nothing while text is typed. */
  single?: boolean
  /** While text is typed the key is the text field's own, e.g. Ctrl+Z. */
  leaveText?: boolean
  /** What it does. Absent: it only moves within something, and is listed for the sheet. */
  run?: () => void
  /** Its keys mean this only where the focus is, and are handled there; from here, `run` serves the palette. */
  elsewhere?: boolean
  /** Heading in the palette. Default: the screen's name, or `Commands`. */
  group?: string
}

export interface Crumb {
  label: string
  href?: string
}

/** How long the second of two keys may take. */
const CHORD_MS = 2000

class Shortcuts {
  /** Those of the open screen, with its name. */
  local = $state.raw<{ name: string; list: Shortcut[] }>({ name: '', list: [] })
  /** Those of parts of the screen, e.g. of the chart that has the focus. */
  parts = $state.raw<{ name: string; list: Shortcut[] }[]>([])
  global = $state.raw<Shortcut[]>([])
  crumb = $state.raw<Crumb[]>([])
  /** What the status bar says about the open screen. */
  counts = $state('')
  private first = { key: '', at: 0 }

  screen(name: string, list: Shortcut[]): () => void {
    const mine = { name, list }
    this.local = mine
    return () => {
      if (this.local === mine) this.local = { name: '', list: [] }
    }
  }

  /** Adds the actions of a part of the screen, for as long as it is there. */
  part(name: string, list: Shortcut[]): () => void {
    const mine = { name, list }
    untrack(() => (this.parts = [...this.parts, mine]))
    return () => (this.parts = this.parts.filter((part) => part !== mine))
  }

  /** All lists, the most particular first. */
  get lists(): { name: string; list: Shortcut[] }[] {
    return [...this.parts, this.local, { name: 'Everywhere', list: this.global }]
  }

  /** Runs what the key stands for. True when there was something. */
  handle(event: KeyboardEvent): boolean {
    if (event.defaultPrevented) return false
    const pressed = printKey(event)
    const { key: first, at } = this.first
    const both = first && event.timeStamp - at < CHORD_MS ? `${first} ${pressed}` : pressed
    this.first = { key: pressed, at: event.timeStamp }
    const usable = this.lists
      .flatMap(({ list }) => list)
      .filter((shortcut) => isUsable(shortcut, event.target))
    // Two keys together mean more than the second alone.
    const meant =
      usable.find((shortcut) => shortcut.run && shortcut.keys.includes(both)) ??
      usable.find((shortcut) => shortcut.run && shortcut.keys.includes(pressed))
    if (!meant) return false
    event.preventDefault()
    meant.run?.()
    return true
  }
}

function isUsable(shortcut: Shortcut, target: EventTarget | null): boolean {
  if (shortcut.elsewhere) return false
  const typing = isTyping(target)
  if (shortcut.leaveText && typing) return false
  if (!shortcut.single) return true
  // A letter that is pressed in a dialog is not meant for the screen behind it.
  return !typing && prefs.singleKeys && !(target instanceof Element && target.closest('[role="dialog"]'))
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
  const names: Record<string, string> = { ArrowLeft: '←', ArrowRight: '→', ' ': 'Space', Delete: 'Del' }
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
