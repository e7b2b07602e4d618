// The neighbours of a run as a small graph in columns: what went in, the run, what came out, what is registered.

import type { RunDetail, RunLineage } from '../../api/types'
import { versionHref } from '../models/names'

export interface GraphNode {
  id: string
  column: number
  kind: 'dataset' | 'run' | 'model' | 'version' | 'more'
  label: string
  detail: string
  href: string | null
  self?: boolean
}

export interface Graph {
  nodes: GraphNode[]
  edges: { from: string; to: string }[]
}

/** More than these are named by their number; the lists beside the graph have all. */
const MOST = 8

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

export const datasetHref = (experimentId: string, name: string, digest: string) =>
  `#/runs?experiments=${experimentId}&filter=${encodeURIComponent(
    `dataset.name = ${quoted(name)} AND dataset.digest = ${quoted(digest)}`,
  )}`

export const modelHref = (runId: string, name: string) =>
  `#/run/${runId}?tab=artifacts&file=${encodeURIComponent(name)}`

export function lineageGraph(run: RunDetail, lineage: RunLineage | null): Graph {
  const nodes: GraphNode[] = []
  const edges: Graph['edges'] = []
  const add = (
    list: GraphNode[],
    column: number,
    edge: (node: GraphNode) => { from: string; to: string },
  ) => {
    const shown = list.length > MOST ? list.slice(0, MOST - 1) : list
    nodes.push(...shown)
    for (const node of shown) edges.push(edge(node))
    if (shown.length < list.length) {
      const rest: GraphNode = {
        id: `more-${column}-${list[0]?.kind ?? ''}`,
        column,
        kind: 'more',
        label: `${list.length - shown.length} more`,
        detail: 'in the list',
        href: null,
      }
      nodes.push(rest)
      edges.push(edge(rest))
    }
  }
  const self: GraphNode = {
    id: 'self',
    column: 1,
    kind: 'run',
    label: run.name,
    detail: run.state,
    href: null,
    self: true,
  }
  nodes.push(self)
  const intoRun = (node: GraphNode) => ({ from: node.id, to: 'self' })
  const fromRun = (node: GraphNode) => ({ from: 'self', to: node.id })
  if (run.parent) {
    add(
      [
        {
          id: `run-${run.parent.run_id}`,
          column: 0,
          kind: 'run',
          label: run.parent.name,
          detail: 'parent run',
          href: `#/run/${run.parent.run_id}`,
        },
      ],
      0,
      intoRun,
    )
  }
  add(
    run.datasets.map((dataset, i) => ({
      id: `dataset-${i}`,
      column: 0,
      kind: 'dataset',
      label: dataset.name,
      detail: dataset.context ?? dataset.source_type,
      href: datasetHref(run.experiment_id, dataset.name, dataset.digest),
    })),
    0,
    intoRun,
  )
  const model = (item: RunDetail['models'][number], column: number): GraphNode => ({
    id: `${item.role}-${item.model_id}`,
    column,
    kind: 'model',
    label: item.name,
    detail: `${item.role === 'input' ? 'model in' : 'model'} · ${item.status.toLowerCase()}`,
    href: `#/lineage?logged_model=${encodeURIComponent(item.model_id)}`,
  })
  add(
    run.models.filter(({ role }) => role === 'input').map((item) => model(item, 0)),
    0,
    intoRun,
  )
  add(
    run.models.filter(({ role }) => role === 'output').map((item) => model(item, 2)),
    2,
    fromRun,
  )
  add(
    run.children.map((child) => ({
      id: `run-${child.run_id}`,
      column: 2,
      kind: 'run',
      label: child.name,
      detail: `child run · ${child.state}`,
      href: `#/run/${child.run_id}`,
    })),
    2,
    fromRun,
  )
  const known = new Set(nodes.map(({ id }) => id))
  add(
    (lineage?.versions ?? []).map((version) => ({
      id: `version-${version.name}-${version.version}`,
      column: 3,
      kind: 'version',
      label: `${version.name} v${version.version}`,
      detail:
        version.aliases.length > 0 ? version.aliases.map((alias) => `@${alias}`).join(' ') : 'registered',
      href: versionHref(version.name, version.version),
    })),
    3,
    (node) => {
      const version = lineage?.versions.find(({ name, version }) => node.id === `version-${name}-${version}`)
      const from = `output-${version?.model_id ?? ''}`
      return { from: known.has(from) ? from : 'self', to: node.id }
    },
  )
  return { nodes, edges }
}

export const NODE = { width: 190, height: 44, gapX: 60, gapY: 12 }

/** Places columns side by side, each in the middle of the height. Columns without nodes take no room. */
export function placed(graph: Graph): {
  nodes: (GraphNode & { x: number; y: number })[]
  width: number
  height: number
} {
  const columns = [...new Set(graph.nodes.map(({ column }) => column))].sort((a, b) => a - b)
  const tallest = Math.max(
    ...columns.map((column) => graph.nodes.filter((node) => node.column === column).length),
  )
  const height = tallest * (NODE.height + NODE.gapY) - NODE.gapY
  const nodes = columns.flatMap((column, c) => {
    const list = graph.nodes.filter((node) => node.column === column)
    const own = list.length * (NODE.height + NODE.gapY) - NODE.gapY
    return list.map((node, i) => ({
      ...node,
      x: c * (NODE.width + NODE.gapX),
      y: (height - own) / 2 + i * (NODE.height + NODE.gapY),
    }))
  })
  return { nodes, width: columns.length * (NODE.width + NODE.gapX) - NODE.gapX, height }
}
