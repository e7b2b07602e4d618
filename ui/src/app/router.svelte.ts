// Places are hash routes, so that a link, the back key and a reload all lead to the same view.

import { parsePlace, printPlace, type Place } from './place'

class Router {
  place = $state.raw<Place>(parsePlace(location.hash))
  /** How far back and forward this page's own history reaches. */
  private index = $state(0)
  private length = $state(1)

  constructor() {
    const state = history.state as { slipway?: number } | null
    this.index = state?.slipway ?? 0
    this.length = this.index + 1
    history.replaceState({ slipway: this.index }, '')
    addEventListener('popstate', (event: PopStateEvent) => {
      const at = (event.state as { slipway?: number } | null)?.slipway
      if (at === undefined) {
        // A link was followed: a new entry without a number.
        this.index += 1
        this.length = this.index + 1
        history.replaceState({ slipway: this.index }, '')
      } else {
        this.index = at
        this.length = Math.max(this.length, at + 1)
      }
      this.place = parsePlace(location.hash)
    })
  }

  get canGoBack(): boolean {
    return this.index > 0
  }

  get canGoForward(): boolean {
    return this.index + 1 < this.length
  }

  /** Reads the address bar again, after something else wrote it. */
  refresh(): void {
    this.place = parsePlace(location.hash)
  }

  go(path: string, params: Record<string, string> = {}): void {
    const hash = printPlace({ path, params })
    if (hash === location.hash) return
    this.index += 1
    this.length = this.index + 1
    history.pushState({ slipway: this.index }, '', hash)
    this.place = { path, params }
  }

  /** Opens a printed place such as `#/run/abc`. Anything else is ignored. */
  open(hash: string): void {
    if (!hash.startsWith('#/')) return
    const place = parsePlace(hash)
    this.go(place.path, place.params)
  }

  /** Changes what the address says about the view without a new step in the history. */
  replaceParams(params: Record<string, string>): void {
    const place = { path: this.place.path, params }
    history.replaceState({ slipway: this.index }, '', printPlace(place))
    this.place = place
  }
}

export const router = new Router()
