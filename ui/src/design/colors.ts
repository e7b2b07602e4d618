// The look of a run is a function of its id, so that it is the same in every chart, table, window and exported
// picture, and never changes when runs come and go. Somebody may choose another: a colour from code, a spread over
// the runs on screen, or a colour by value. Whoever draws asks `runLook` and knows nothing of that.

import { SvelteMap } from 'svelte/reactivity'

export const SLOTS = 8

/** Dash patterns in CSS pixels: solid first. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [8, 3, 2, 3]]

/** Lines that can be told apart. */
export const MOST_LOOKS = SLOTS * DASHES.length

/** FNV-1a over the UTF-8 bytes of the text. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) {
    hash ^= byte
    hash = Math.imul(hash, 0x01000193)
  }
  return hash >>> 0
}

export interface RunLook {
  /** 1 to 8: the tokens `--run-1` to `--run-8`. */
  slot: number
  /** Index into `DASHES`. */
  dash: number
  /** 1 to 16: the tokens `--ramp-1` to `--ramp-16`, when the colour says a value. */
  ramp?: number
  /** A colour that the run itself asks for. */
  css?: string
}

/** Steps of the scale from low to high values. */
export const RAMP = 16

const looks = new Map<string, RunLook>()

/** Looks that the user asked to be spread over some runs, instead of those that their ids give them. */
const spread = new SvelteMap<string, RunLook>()

/** Gives the runs the looks in their order: eight colours first, then the same with other dashes. */
export function spreadLooks(runIds: string[]): void {
  for (const runId of [...spread.keys()]) if (!runIds.includes(runId)) spread.delete(runId)
  runIds.slice(0, MOST_LOOKS).forEach((runId, i) => {
    const look = { slot: (i % SLOTS) + 1, dash: Math.floor(i / SLOTS) }
    const old = spread.get(runId)
    if (old?.slot !== look.slot || old.dash !== look.dash) spread.set(runId, look)
  })
}

/** Colours by value, and those that runs ask for themselves. */
const given = new SvelteMap<string, RunLook>()

/** Replaces the looks that do not come from ids. */
export function giveLooks(next: Map<string, RunLook>): void {
  for (const runId of [...given.keys()]) if (!next.has(runId)) given.delete(runId)
  for (const [runId, look] of next) {
    const old = given.get(runId)
    if (old?.slot !== look.slot || old.dash !== look.dash || old.ramp !== look.ramp || old.css !== look.css)
      given.set(runId, look)
  }
}

export const runLook = (runId: string): RunLook => spread.get(runId) ?? given.get(runId) ?? lookOf(runId)

/** The same where the caller knows what the run is given. */
export const runLookWith = (runId: string, look: RunLook | null): RunLook =>
  spread.get(runId) ?? look ?? lookOf(runId)

/** The look that the id alone gives. */
export function lookOf(runId: string): RunLook {
  let look = looks.get(runId)
  if (!look) {
    const hash = fnv1a(runId)
    look = { slot: (hash % SLOTS) + 1, dash: (hash >>> 3) % DASHES.length }
    looks.set(runId, look)
  }
  return look
}

export const lookColor = (look: RunLook): string =>
  look.css ?? (look.ramp ? `var(--ramp-${look.ramp})` : `var(--run-${look.slot})`)

export const runColor = (runId: string): string => lookColor(runLook(runId))

/** Names of the tokens behind `paint`, in the order that it expects them. */
export const PALETTE_TOKENS: readonly string[] = [
  ...Array.from({ length: SLOTS }, (_, i) => `--run-${i + 1}`),
  ...Array.from({ length: RAMP }, (_, i) => `--ramp-${i + 1}`),
]

/** The colour of a look on a canvas, whose `palette` holds the values of `PALETTE_TOKENS`. */
export function paint(look: RunLook, palette: readonly string[]): string {
  return look.css ?? palette[look.ramp ? SLOTS + look.ramp - 1 : look.slot - 1] ?? 'gray'
}

/** What a run may say in its tag `slipway.color`: a number from 1 to 8, a name of the palette, or `#rrggbb`. */
export function colourFromTag(text: string): Pick<RunLook, 'slot' | 'css'> | null {
  const word = text.trim().toLowerCase()
  if (/^#([0-9a-f]{3}|[0-9a-f]{6})$/.test(word)) return { slot: 1, css: word }
  const named = NAMES.indexOf(word)
  const slot = named >= 0 ? named + 1 : /^[1-8]$/.test(word) ? Number(word) : 0
  return slot > 0 ? { slot } : null
}

const NAMES = ['blue', 'olive', 'brick', 'teal', 'pink', 'violet', 'green', 'brown']
