// Pictures, sounds and films among a run's files, and at which step each was logged.

import type { ArtifactEntry } from '../../api/types'
import { byNumbers } from '../../design/order'

export interface MediaItem {
  path: string
  kind: 'image' | 'audio' | 'video'
  /** Null for files that were not logged at a step. */
  step: number | null
  /** Orders what was logged twice at one step. */
  timeMs: number
}

export interface MediaSeries {
  key: string
  items: MediaItem[]
}

/** `images/KEY+step+5+timestamp+170…+UUID.png`, as the stock client names what `log_image` stores; older ones use %. */
const LOGGED = /^(.*?)([+%])step\2(-?\d+)\2timestamp\2(\d+)\2([0-9a-f-]+)(\2compressed)?\.\w+$/

/** Series of the same name, by step. The smaller copies that the client stores beside pictures are left out. */
export function mediaSeries(entries: ArtifactEntry[]): MediaSeries[] {
  const series = new Map<string, MediaItem[]>()
  for (const { path, name, preview } of entries) {
    if (preview !== 'image' && preview !== 'audio' && preview !== 'video') continue
    const logged = LOGGED.exec(name)
    if (logged?.[6]) continue
    // The client writes `/` in keys as `~`, and formerly as `#`.
    const folder = path.slice(0, path.length - name.length)
    const key = logged ? (folder === 'images/' ? '' : folder) + (logged[1] ?? '').replace(/[~#]/g, '/') : path
    const item: MediaItem = {
      path,
      kind: preview,
      step: logged ? Number(logged[3]) : null,
      timeMs: logged ? Number(logged[4]) : 0,
    }
    series.set(key, [...(series.get(key) ?? []), item])
  }
  return [...series]
    .map(([key, items]) => ({
      key,
      items: items.sort((a, b) => (a.step ?? 0) - (b.step ?? 0) || a.timeMs - b.timeMs),
    }))
    .sort((a, b) => byNumbers(a.key, b.key))
}

/** The item to show at a step: the last one that was logged at or before it. */
export function itemAt(items: MediaItem[], step: number): MediaItem | undefined {
  return items.findLast((item) => item.step === null || item.step <= step) ?? items[0]
}
