// Gives things that are on screen one of a few slots each. What stays on screen keeps its slot, what comes takes the
// slot of what went: the page changes a few texts instead of making and dropping elements while somebody scrolls.

export interface Slot {
  key: number
  item: number
}

export class Recycler {
  private slots: Slot[] = []

  /** One slot for each item, by key; the same objects as before for items that were there before. */
  take(items: Iterable<number>): Slot[] {
    const wanted = new Set(items)
    const free: number[] = []
    const next: Slot[] = []
    for (const slot of this.slots) {
      if (wanted.delete(slot.item)) next.push(slot)
      else free.push(slot.key)
    }
    let fresh = this.slots.length
    for (const item of wanted) next.push({ key: free.pop() ?? fresh++, item })
    // Keys without gaps: when there are fewer items than slots, the highest keys are let go.
    const most = next.length
    const taken = new Set(next.map(({ key }) => key))
    const low = Array.from({ length: most }, (_, key) => key).filter((key) => !taken.has(key))
    this.slots = next
      .map((slot) => (slot.key < most ? slot : { key: low.pop() ?? slot.key, item: slot.item }))
      .sort((a, b) => a.key - b.key)
    return this.slots
  }
}
