// Which metrics the table of versions shows: those that somebody chose in this browser, or else the ones that most
// versions have.

import type { MetricName, ModelDetail } from '../../api/model-types'
import { metricId } from './names'

const DEFAULT = 3
const STORE_KEY = 'slipway.model-metrics'
/** Models whose columns are remembered; the ones chosen longest ago are forgotten. */
const KEPT = 100

type Kept = [name: string, metrics: MetricName[]][]

function kept(): Kept {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(STORE_KEY) ?? '[]')
    return Array.isArray(list) ? (list as Kept).filter((entry) => Array.isArray(entry[1])) : []
  } catch {
    return []
  }
}

export function chosenMetrics(detail: ModelDetail): MetricName[] {
  const own = kept().find(([name]) => name === detail.model.name)?.[1]
  if (own) {
    const known = new Set(detail.metrics.map(({ metric }) => metricId(metric)))
    return own.filter((metric) => known.has(metricId(metric)))
  }
  const best = detail.model.best ? metricId(detail.model.best.metric) : ''
  return [...detail.metrics]
    .sort((a, b) => Number(metricId(b.metric) === best) - Number(metricId(a.metric) === best))
    .slice(0, DEFAULT)
    .map(({ metric }) => metric)
}

export function keepMetrics(name: string, metrics: MetricName[]): void {
  const rest = kept().filter(([other]) => other !== name)
  localStorage.setItem(STORE_KEY, JSON.stringify([...rest, [name, metrics]].slice(-KEPT)))
}
