// What somebody wants to register: asked for on any screen, answered by the one dialog of the window.

import type { RegisterSource } from '../../api/model-types'

export interface Wish {
  /** Null: whoever asks still has to say. */
  source: RegisterSource | null
  /** A name to begin with, e.g. of the model whose page is open. */
  name: string
}

class Registering {
  wish = $state.raw<Wish | null>(null)

  ask(source: RegisterSource | null, name = ''): void {
    this.wish = { source, name }
  }

  close(): void {
    this.wish = null
  }
}

export const registering = new Registering()
