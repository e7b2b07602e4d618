// The look of a run is a function of its id alone, so that it is the same in every chart, table, window and
// exported picture, and never changes when runs come and go.

export const SLOTS = 8

/** Dash patterns in CSS pixels: solid first. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [8, 3, 2, 3]]

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

export function runLook(runId: string): RunLook {
  let look = looks.get(runId)
  if (!look) {
    const hash = fnv1a(runId)
    look = { slot: (hash % SLOTS) + 1, dash: (hash >>> 3) % DASHES.length }
    looks.set(runId, look)
  }
  return look
}

export const runColor = (runId: string): string => `var(--run-${runLook(runId).slot})`
