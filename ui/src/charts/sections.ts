// The charts of a grid in sections: one per metric, in the section named by the first part of the metric's name
// (`train/loss` and `train/acc` belong to `train`), and those that somebody added.

import type { Panel } from '../runset/panels'
import { byNumbers } from '../design/order'

export interface ChartMetric {
  key: string
  is_curve: boolean
}

/** One chart of the grid: an automatic one of a metric, or a panel. */
export interface ChartItem {
  id: string
  title: string
  metric: ChartMetric | null
  panel: Panel | null
}

export interface Section {
  name: string
  items: ChartItem[]
}

/** The section of metrics whose name has no parts. */
export const PLAIN = 'metrics'
/** The section of added charts that name none. */
export const ADDED = 'added'

/** Tests names against `/regular expression/` or, without slashes, against words that all must occur. */
export function nameFilter(text: string): (name: string) => boolean {
  const pattern = /^\/(.+)\/$/.exec(text.trim())?.[1]
  if (pattern) {
    try {
      const regex = new RegExp(pattern, 'i')
      return (name) => regex.test(name)
    } catch {
      return () => true
    }
  }
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return (name) => {
    const lower = name.toLowerCase()
    return words.every((word) => lower.includes(word))
  }
}

export const metricId = (key: string): string => `metric:${key}`

/** What a panel is called when nobody named it. */
export function panelTitle(panel: Panel): string {
  const names = panel.refs.map((ref) => ref.key)
  if (panel.match) names.push(`/${panel.match}/`)
  if (panel.title) return panel.title
  return names.length > 3
    ? `${names.slice(0, 3).join(', ')} +${names.length - 3}`
    : names.join(', ') || panel.kind
}

export function sections(
  metrics: ChartMetric[],
  filter: string,
  panels: Panel[] = [],
  order: string[] = [],
): Section[] {
  const matches = nameFilter(filter)
  const byName = new Map<string, Section>()
  const add = (name: string, item: ChartItem) => {
    const section = byName.get(name) ?? { name, items: [] }
    section.items.push(item)
    byName.set(name, section)
  }
  for (const panel of panels) {
    const title = panelTitle(panel)
    if (matches(title)) add(panel.section ?? ADDED, { id: panel.id, title, metric: null, panel })
  }
  const sorted = [...metrics].sort(
    (a, b) =>
      // Lines before bars.
      Number(b.is_curve) - Number(a.is_curve) || byNumbers(a.key, b.key),
  )
  for (const metric of sorted) {
    if (!matches(metric.key)) continue
    const slash = metric.key.indexOf('/')
    const title = slash > 0 ? metric.key.slice(slash + 1) : metric.key
    add(slash > 0 ? metric.key.slice(0, slash) : PLAIN, {
      id: metricId(metric.key),
      title,
      metric,
      panel: null,
    })
  }
  const place = new Map(order.map((id, i) => [id, i]))
  for (const section of byName.values()) {
    section.items.sort((a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0)
  }
  // Machine readings last.
  const rank = (name: string) => ({ [ADDED]: 0, [PLAIN]: 1, system: 3 })[name] ?? 2
  return [...byName.values()].sort((a, b) => rank(a.name) - rank(b.name) || byNumbers(a.name, b.name))
}

/** `view.order` after a chart was put at the place of another one in its section. */
export function moved(section: Section, order: string[], id: string, to: number): string[] {
  const ids = section.items.map((item) => item.id)
  const from = ids.indexOf(id)
  if (from < 0) return order
  ids.splice(from, 1)
  ids.splice(Math.max(0, Math.min(ids.length, to)), 0, id)
  return [...order.filter((other) => !ids.includes(other)), ...ids]
}
