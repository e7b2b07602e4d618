// A lineage as boxes that link to what they stand for.

import type { Lineage, LineagePoint } from '../../api/model-types'
import type { GraphBox, GraphEdge } from '../../graph/graph'
import { datasetHref } from '../run/lineage'
import { modelHref, versionHref } from './names'

export const KIND_WORDS: Record<LineagePoint['kind'], string> = {
  dataset: 'Dataset',
  run: 'Run',
  logged_model: 'Logged model',
  version: 'Version',
  alias: 'Alias',
  model: 'Model',
}

/** Where a click leads. Logged models and datasets have no page: their lineage is asked for. */
export function pointHref(point: LineagePoint): string {
  switch (point.kind) {
    case 'dataset':
      return datasetHref(point.experiment_id, point.name, point.digest)
    case 'run':
      return `#/run/${point.run_id}?tab=lineage`
    case 'logged_model':
      return `#/lineage?logged_model=${encodeURIComponent(point.model_id)}`
    case 'version':
      return versionHref(point.name, point.version, { tab: 'lineage' })
    case 'alias':
    case 'model':
      return modelHref(point.name, { tab: 'lineage' })
  }
}

export const boxesOf = (lineage: Lineage): GraphBox[] =>
  lineage.nodes.map((node) => ({
    id: String(node.id),
    kind: node.point.kind,
    kindWord: KIND_WORDS[node.point.kind],
    label: node.label,
    detail: node.detail,
    href: pointHref(node.point),
    isStart: node.is_start,
    isMissing: node.is_missing,
    x: node.x,
    y: node.y,
    width: node.width,
    height: node.height,
  }))

export const edgesOf = (lineage: Lineage): GraphEdge[] =>
  lineage.edges.map(({ from, to, label }) => ({ from: String(from), to: String(to), label }))
