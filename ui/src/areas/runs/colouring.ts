// Colours that say a value: numbers on a scale from low to high, other values by slots.

import type { CellValue } from '../../api/types'
import { colourFromTag, fnv1a, lookOf, RAMP, SLOTS, type RunLook } from '../../design/colors'

export interface Scale {
  low: number
  high: number
  /** Steps by size, not by difference: learning rates span decades. */
  log: boolean
}

const DECADES = 100

/** A scale between the ends of what was seen; null when there is nothing to tell apart. */
export function scaleOf(values: (CellValue | null | undefined)[]): Scale | null {
  const numbers = values
    .filter((value) => value !== null && value !== undefined && value !== '')
    .map(Number)
    .filter(Number.isFinite)
  if (numbers.length === 0) return null
  const low = Math.min(...numbers)
  const high = Math.max(...numbers)
  return { low, high, log: low > 0 && high / low >= DECADES }
}

/** 1 to RAMP; null for what has no place on the scale. */
export function rampStep(value: CellValue | null | undefined, scale: Scale): number | null {
  if (value === null || value === undefined || value === '') return null
  const number = Number(value)
  if (!Number.isFinite(number)) return null
  const of = (n: number) => (scale.log ? Math.log(Math.max(n, Number.MIN_VALUE)) : n)
  const span = of(scale.high) - of(scale.low)
  const part = span === 0 ? 0.5 : (of(number) - of(scale.low)) / span
  return 1 + Math.round(Math.min(1, Math.max(0, part)) * (RAMP - 1))
}

/** Slots of texts. The first eight that are seen get one each; a text keeps its slot while the page is open. */
export class Slots {
  private readonly slots = new Map<string, number>()

  of(text: string): number {
    let slot = this.slots.get(text)
    if (slot === undefined) {
      slot = this.slots.size < SLOTS ? this.slots.size + 1 : (fnv1a(text) % SLOTS) + 1
      this.slots.set(text, slot)
    }
    return slot
  }
}

/** The look of a run by its own wish, or by value; null leaves it to its id. */
export function givenLook(
  runId: string,
  wish: CellValue | null | undefined,
  value: CellValue | null | undefined,
  scale: Scale | null,
  slots: Slots | null,
): RunLook | null {
  const { dash } = lookOf(runId)
  const asked = wish === null || wish === undefined ? null : colourFromTag(String(wish))
  if (asked) return { ...asked, dash }
  if (value === null || value === undefined || value === '') return null
  if (scale) {
    const ramp = rampStep(value, scale)
    return ramp === null ? null : { slot: 1, ramp, dash: 0 }
  }
  return slots && { slot: slots.of(String(value)), dash: 0 }
}
