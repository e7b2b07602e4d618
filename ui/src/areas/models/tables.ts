// Metrics of a version as a table: a row a metric, a column a dataset.

import type { VersionMetric } from '../../api/model-types'

export interface MetricTable {
  /** Empty: measured on no dataset in particular. */
  datasets: string[]
  rows: { key: string; cells: (VersionMetric | null)[] }[]
}

export function metricTable(metrics: VersionMetric[]): MetricTable {
  const datasets = [...new Set(metrics.map(({ metric }) => metric.dataset ?? ''))].sort((a, b) =>
    a.localeCompare(b),
  )
  const rows = new Map<string, (VersionMetric | null)[]>()
  for (const metric of metrics) {
    const cells = rows.get(metric.metric.key) ?? datasets.map(() => null)
    cells[datasets.indexOf(metric.metric.dataset ?? '')] = metric
    rows.set(metric.metric.key, cells)
  }
  return {
    datasets,
    rows: [...rows].map(([key, cells]) => ({ key, cells })).sort((a, b) => a.key.localeCompare(b.key)),
  }
}
