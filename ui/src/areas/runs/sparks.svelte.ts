// Small curves in cells: asked for when a row comes into view, many at once, and kept until their run logs again.

import { api } from '../../api/client'
import { live } from '../../api/live.svelte'
import type { Event } from '../../api/types'
import { SvelteMap } from 'svelte/reactivity'

export const SPARK_WIDTH = 60
export const SPARK_HEIGHT = 16
/** Pixel columns; each may have four points. */
const COLUMNS = 30
const MOST_AT_ONCE = 200
const MOST_KEPT = 4000
const WAIT_MS = 60

/** A path through the finite points, with gaps where there is none; empty for fewer than two points. */
export function sparkPath(x: ArrayLike<number>, y: ArrayLike<number>): string {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity]
  let count = 0
  for (let i = 0; i < x.length; i++) {
    const [at, value] = [x[i] ?? NaN, y[i] ?? NaN]
    if (!Number.isFinite(value)) continue
    count += 1
    left = Math.min(left, at)
    right = Math.max(right, at)
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (count < 2 || right <= left) return ''
  const across = (SPARK_WIDTH - 2) / (right - left)
  const up = high > low ? (SPARK_HEIGHT - 4) / (high - low) : 0
  let path = ''
  let pen = 'M'
  for (let i = 0; i < x.length; i++) {
    const [at, value] = [x[i] ?? NaN, y[i] ?? NaN]
    if (!Number.isFinite(value)) {
      pen = 'M'
      continue
    }
    const top = up === 0 ? SPARK_HEIGHT / 2 : SPARK_HEIGHT - 2 - (value - low) * up
    path += `${pen}${(1 + (at - left) * across).toFixed(1)} ${top.toFixed(1)}`
    pen = 'L'
  }
  return path
}

class Sparks {
  private paths = new SvelteMap<string, string>()
  private wanted = new Map<string, { run_id: string; metric: string }>()
  private asked = new Set<string>()
  private timer: ReturnType<typeof setTimeout> | null = null

  constructor() {
    live.on((event) => this.receive(event))
  }

  /** The curve of a run's metric; undefined until it is known. */
  path(runId: string, metric: string): string | undefined {
    return this.paths.get(`${runId} ${metric}`)
  }

  /** Asks for a curve unless it is known or asked for. */
  want(runId: string, metric: string): void {
    const key = `${runId} ${metric}`
    if (this.paths.has(key) || this.asked.has(key)) return
    this.wanted.set(key, { run_id: runId, metric })
    this.timer ??= setTimeout(() => void this.ask(), WAIT_MS)
  }

  private async ask(): Promise<void> {
    this.timer = null
    // What was wanted last is in view.
    const batch = [...this.wanted].slice(-MOST_AT_ONCE)
    this.wanted.clear()
    for (const [key] of batch) this.asked.add(key)
    try {
      const entries = await api.series({ series: batch.map(([, of]) => of), width_px: COLUMNS })
      const paths = new Map(batch.map(([key]) => [key, '']))
      for (const entry of entries) {
        const of = batch[entry.request]
        if (of && entry.role === 'raw') paths.set(of[0], sparkPath(entry.x, entry.y))
      }
      for (const [key, path] of paths) this.paths.set(key, path)
      for (const key of this.paths.keys()) {
        if (this.paths.size <= MOST_KEPT) break
        this.paths.delete(key)
      }
    } catch {
      // Without its curve a cell still shows its number.
    }
    for (const [key] of batch) this.asked.delete(key)
  }

  private receive(event: Event): void {
    if (event.type === 'reset') this.paths.clear()
    if (event.type !== 'metrics') return
    for (const key of this.paths.keys()) if (key.startsWith(`${event.run_id} `)) this.paths.delete(key)
  }
}

export const sparks = new Sparks()
