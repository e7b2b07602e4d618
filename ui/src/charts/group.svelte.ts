// What all charts of one view share: the runs, the zoom, the crosshair, the run under the pointer, and which of them are
// out of date.

import { SvelteMap } from 'svelte/reactivity'
import { throttle } from '../app/throttle'
import { live } from '../api/live.svelte'
import { printAxis, type Axis } from '../runset/view'

export interface ChartRun {
  runId: string
  name: string
  /** The group it belongs to, where runs are grouped. */
  group?: { id: string; name: string }
}

export type Range = readonly [number, number]

const REFETCH_MS = 400
let nextKey = 1

export class ChartGroup {
  private readonly key = `charts-${nextKey++}`
  runs = $state.raw<ChartRun[]>([])
  /** Charts with the same x axis zoom together. */
  sync = $state(true)
  /** Zoomed x ranges by axis, in its units; what is absent shows everything. */
  private ranges = new SvelteMap<string, Range>()
  hoverRun = $state<string | null>(null)
  /** Grows when points of a metric arrived that its chart has not drawn. */
  private versions = new SvelteMap<string, number>()
  private dirty = new Set<string>()
  private everything = false
  private allDirty = $state(0)
  private flush = throttle(() => {
    if (document.hidden) return
    for (const metric of this.dirty) this.versions.set(metric, (this.versions.get(metric) ?? 0) + 1)
    this.dirty.clear()
    if (this.everything) this.allDirty += 1
    this.everything = false
  }, REFETCH_MS)

  /** Charts with the same axis share their crosshair. */
  syncKey(axis: Axis): string {
    return `${this.key} ${printAxis(axis)}`
  }

  range(axis: Axis): Range | null {
    return this.ranges.get(printAxis(axis)) ?? null
  }

  setRange(axis: Axis, range: Range | null): void {
    if (range) this.ranges.set(printAxis(axis), range)
    else this.ranges.delete(printAxis(axis))
  }

  get zoomed(): boolean {
    return this.ranges.size > 0
  }

  resetZoom(): void {
    this.ranges.clear()
  }

  /** Asks for every chart again. */
  refresh(): void {
    this.allDirty += 1
  }

  /** Follows the event stream until the returned function is called. */
  follow(): () => void {
    const stop = live.on((event) => {
      if (event.type === 'reset') this.refresh()
      if (event.type !== 'metrics' || !this.runs.some((run) => run.runId === event.run_id)) return
      // No points means that there were too many to tell: any chart may be out of date.
      if (event.points.length === 0) this.everything = true
      for (const point of event.points) this.dirty.add(point.key)
      this.flush()
    })
    const visible = () => {
      if (!document.hidden && (this.dirty.size > 0 || this.everything)) this.flush()
    }
    document.addEventListener('visibilitychange', visible)
    return () => {
      stop()
      document.removeEventListener('visibilitychange', visible)
    }
  }

  version(metric: string): number {
    return (this.versions.get(metric) ?? 0) + this.allDirty
  }
}
