// The one event stream of this window: it resumes after a lost connection, and can be paused.

import { api, isAbort } from './client'
import { session } from './session.svelte'
import { StreamParser } from './sse'
import type { Event } from './types'

export type LiveState = 'connecting' | 'live' | 'retrying' | 'stopped'
type Listener = (event: Event) => void

const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 15_000
/** The server sends a comment every 15 s; a stream that is silent for longer is dead. */
const SILENCE_MS = 40_000

class Live {
  state = $state<LiveState>('stopped')
  paused = $state(false)
  /** Something changed while paused. */
  missed = $state(false)

  private listeners = new Set<Listener>()
  private lastId: string | null = null
  private bootId: string | null = null
  private abort: AbortController | null = null
  private wake: (() => void) | null = null

  /** Calls back for every event, until the returned function is called. */
  on(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  start(): void {
    if (this.abort) return
    this.abort = new AbortController()
    void this.follow(this.abort.signal)
    addEventListener('online', this.online)
  }

  stop(): void {
    this.abort?.abort()
    this.abort = null
    this.state = 'stopped'
    removeEventListener('online', this.online)
  }

  setPaused(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    if (!paused && this.missed) {
      this.missed = false
      this.emit({ type: 'reset', boot_id: this.bootId ?? '' })
    }
  }

  retryNow = (): void => this.wake?.()

  /** The stream may have survived what requests did not. */
  private online = (): void => {
    if (this.state === 'live') this.askAgain()
    else this.retryNow()
  }

  /** The stream goes on where it stopped; what views asked for in vain meanwhile, they have to ask for again. */
  private askAgain(): void {
    this.receive({ type: 'reset', boot_id: this.bootId ?? '' })
  }

  private emit(event: Event): void {
    for (const listener of this.listeners) listener(event)
  }

  private receive(event: Event): void {
    if (event.type === 'reset') this.bootId = event.boot_id
    if (this.paused) this.missed = true
    else this.emit(event)
  }

  private async follow(signal: AbortSignal): Promise<void> {
    let wait = FIRST_RETRY_MS
    this.state = 'connecting'
    while (!signal.aborted) {
      try {
        await this.read(signal, () => {
          const lost = this.state === 'retrying'
          this.state = 'live'
          wait = FIRST_RETRY_MS
          if (lost) this.askAgain()
        })
      } catch (error) {
        if (isAbort(error) && signal.aborted) return
        if (session.refused) break
      }
      if (signal.aborted) return
      this.state = 'retrying'
      await new Promise<void>((resolve) => {
        this.wake = resolve
        setTimeout(resolve, wait)
      })
      this.wake = null
      wait = Math.min(wait * 2, LONGEST_RETRY_MS)
    }
    this.state = 'stopped'
  }

  private async read(signal: AbortSignal, connected: () => void): Promise<void> {
    const attempt = new AbortController()
    const forward = () => attempt.abort()
    signal.addEventListener('abort', forward)
    let silence: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(forward, SILENCE_MS)
    }
    try {
      const response = await api.events(this.lastId, attempt.signal)
      if (!response.body) return
      connected()
      heard()
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      const parser = new StreamParser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        heard()
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          if (message.id) this.lastId = message.id
          this.receive(JSON.parse(message.data) as Event)
        }
      }
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', forward)
    }
  }
}

export const live = new Live()
