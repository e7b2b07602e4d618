// What the page of a model and that of a version have in common: loading again when something changed, and editing.

import { ApiFailure, describe } from '../../api/client'
import { live } from '../../api/live.svelte'
import { modelsApi } from '../../api/models'
import { throttle } from '../../app/throttle'
import { toasts } from '../../app/toasts.svelte'

const REFRESH_MS = 1000

export interface Edit {
  description?: string
  set_tags?: Record<string, string>
  remove_tags?: string[]
}

export class RegistryPage<T> {
  /** Null until it is there for the first time. */
  detail = $state.raw<T | null>(null)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)
  /** There is no such thing. */
  missing = $state(false)
  /** Changes when anything in the registry may have changed. */
  stamp = $state(0)
  readonly #read: () => Promise<T>

  /** Call it while a component is set up. */
  constructor(read: () => Promise<T>) {
    this.#read = read
    const refresh = throttle(() => {
      this.stamp += 1
      void this.load()
    }, REFRESH_MS)
    $effect(() => {
      void this.load()
      return live.on((event) => {
        if (event.type === 'models' || event.type === 'reset') refresh()
      })
    })
  }

  async load(): Promise<void> {
    try {
      this.detail = await this.#read()
      this.problem = null
      this.missing = false
    } catch (error) {
      this.missing = error instanceof ApiFailure && error.status === 404
      this.problem = describe(error)
    }
  }

  /** False when it did not work, which was said then. */
  async edit(what: { name: string; version?: number }, change: Edit): Promise<boolean> {
    try {
      await modelsApi.edit({ ...what, ...change })
      await this.load()
      return true
    } catch (error) {
      toasts.show(describe(error).message, { kind: 'error' })
      return false
    }
  }
}
