// The look of a run is a function of its id alone, so that it is the same in every chart, table, window and
// exported picture, and never changes when runs come and go.

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
}

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

export function runLook(runId: string): RunLook {
  const chosen = spread.get(runId)
  if (chosen) return chosen
  let look = looks.get(runId)
  if (!look) {
    const hash = fnv1a(runId)
    look = { slot: (hash % SLOTS) + 1, dash: (hash >>> 3) % DASHES.length }
    looks.set(runId, look)
  }
  return look
}

export const runColor = (runId: string): string => `var(--run-${runLook(runId).slot})`
