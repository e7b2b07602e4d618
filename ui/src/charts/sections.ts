// Charts grouped by the first part of their metric's name: `train/loss` and `train/acc` belong to `train`.

export interface ChartMetric {
  key: string
  is_curve: boolean
}

export interface Section {
  name: string
  metrics: (ChartMetric & { title: string })[]
}

/** The section of metrics whose name has no parts. */
export const PLAIN = 'metrics'

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

export function sections(metrics: ChartMetric[], filter: string): Section[] {
  const matches = nameFilter(filter)
  const byName = new Map<string, Section>()
  for (const metric of [...metrics].sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true }))) {
    if (!matches(metric.key)) continue
    const slash = metric.key.indexOf('/')
    const name = slash > 0 ? metric.key.slice(0, slash) : PLAIN
    const title = slash > 0 ? metric.key.slice(slash + 1) : metric.key
    const section = byName.get(name) ?? { name, metrics: [] }
    section.metrics.push({ ...metric, title })
    byName.set(name, section)
  }
  // Lines before bars; machine readings last.
  for (const section of byName.values()) {
    section.metrics.sort((a, b) => Number(!a.is_curve) - Number(!b.is_curve))
  }
  const rank = (name: string) => (name === 'system' ? 2 : name === PLAIN ? 0 : 1)
  return [...byName.values()].sort((a, b) => rank(a.name) - rank(b.name))
}
