// The metrics that a chart of lines names, by list or by regular expression.

import type { Panel } from '../runset/panels'
import { MOST_METRICS } from './plan'
import { byNumbers } from '../design/order'

export { MOST_METRICS }

/** What is wrong with a regular expression. */
export function patternProblem(match: string | undefined): string | null {
  if (!match) return null
  try {
    new RegExp(match)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Those of the list, then what the expression finds besides. */
export function matchedMetrics(panel: Panel, metrics: { key: string; is_curve: boolean }[]): string[] {
  const keys = panel.refs.filter((ref) => ref.kind === 'metric').map((ref) => ref.key)
  if (!panel.match || patternProblem(panel.match) !== null) return keys
  const regex = new RegExp(panel.match)
  const found = metrics
    .map((metric) => metric.key)
    .filter((key) => regex.test(key) && !keys.includes(key))
    .sort((a, b) => byNumbers(a, b))
  return [...keys, ...found]
}
