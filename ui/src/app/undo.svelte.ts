// What was done last and can be taken back: changes of the view and of the data, in one order, for Ctrl+Z.

import { describe } from '../api/client'
import { toasts } from './toasts.svelte'

export interface Step {
  /** What was done, as it reads after "Undid: ", e.g. `tag 12 runs`. */
  label: string
  undo: () => void | Promise<void>
  /** Absent where nobody remembers how it was done. */
  redo?: () => void | Promise<void>
}

const MOST_STEPS = 100

class Undo {
  private done = $state.raw<Step[]>([])
  private undone = $state.raw<Step[]>([])
  /** A step that asks the server takes a while; a second one must not overtake it. */
  private busy = false

  /** What Ctrl+Z would take back; null when there is nothing. */
  get last(): string | null {
    return this.done.at(-1)?.label ?? null
  }

  /** What Ctrl+Shift+Z would do again. */
  get next(): string | null {
    return this.undone.at(-1)?.label ?? null
  }

  /** Remembers what was just done. What had been undone cannot be redone after it. */
  push(step: Step): void {
    this.done = [...this.done.slice(1 - MOST_STEPS), step]
    this.undone = []
  }

  /** Puts steps of an earlier start below those of this one; the newest is the last. */
  recall(steps: Step[]): void {
    this.done = [...steps, ...this.done].slice(-MOST_STEPS)
  }

  /** Forgets a step that can no longer be taken back. */
  forget(step: Step): void {
    this.done = this.done.filter((other) => other !== step)
    this.undone = this.undone.filter((other) => other !== step)
  }

  /** Takes back the last step, or one that is named: an Undo button stands beside what it takes back. */
  async undo(step = this.done.at(-1)): Promise<boolean> {
    if (!step || !this.done.includes(step) || !(await this.take(step, step.undo, 'undone'))) return false
    this.done = this.done.filter((other) => other !== step)
    if (!step.redo) {
      toasts.show(`Undid: ${step.label}.`)
      return true
    }
    this.undone = [...this.undone, step]
    toasts.show(`Undid: ${step.label}.`, { action: { label: 'Redo', run: () => void this.redo() } })
    return true
  }

  async redo(): Promise<boolean> {
    const step = this.undone.at(-1)
    if (!step?.redo || !(await this.take(step, step.redo, 'done again'))) return false
    this.undone = this.undone.filter((other) => other !== step)
    this.done = [...this.done, step]
    toasts.show(`Did again: ${step.label}.`)
    return true
  }

  /** A step that fails is forgotten: its half-taken way back would be wrong the next time. */
  private async take(step: Step, way: () => void | Promise<void>, words: string): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    try {
      await way()
      return true
    } catch (error) {
      this.forget(step)
      toasts.show(`“${step.label}” cannot be ${words}: ${describe(error).message}`, { kind: 'error' })
      return false
    } finally {
      this.busy = false
    }
  }
}

export const undo = new Undo()
