// Which runs are selected: some by id, or everything that the question matches but a few.

import { SvelteSet } from 'svelte/reactivity'

export class Selection {
  /** Everything that matches is selected, except the ids. */
  private inverted = $state(false)
  private readonly ids = new SvelteSet<string>()

  constructor(private readonly matching: () => number) {}

  get all(): boolean {
    return this.inverted
  }

  get size(): number {
    return this.inverted ? Math.max(0, this.matching() - this.ids.size) : this.ids.size
  }

  /** The ids that were named: those that are selected, or those that are left out. */
  get named(): string[] {
    return [...this.ids]
  }

  has(id: string): boolean {
    return this.inverted !== this.ids.has(id)
  }

  add(id: string): void {
    if (this.inverted) this.ids.delete(id)
    else this.ids.add(id)
  }

  delete(id: string): void {
    if (this.inverted) this.ids.add(id)
    else this.ids.delete(id)
  }

  /** Selects the run, or no longer. */
  toggle(id: string): void {
    if (this.has(id)) this.delete(id)
    else this.add(id)
  }

  selectAll(): void {
    this.ids.clear()
    this.inverted = true
  }

  clear(): void {
    this.ids.clear()
    this.inverted = false
  }
}
