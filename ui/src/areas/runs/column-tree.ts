// The columns that runs could have, as a tree by the parts of their names: `model.layer0.width` stands below `model`
// and `layer0`, `val/loss` below `val`.

import type { ColumnInfo, ColumnKind, ColumnRef } from '../../api/types'
import { ATTRIBUTE_KEYS, columnLabel } from '../../runset/columns'
import { byNumbers } from '../../design/order'

export interface Branch {
  kind: 'branch'
  /** Unique in the tree: the kind of column and the parts down to here. */
  id: string
  label: string
  depth: number
  /** Everything below it. */
  leaves: Leaf[]
  nodes: (Branch | Leaf)[]
}

export interface Leaf {
  kind: 'leaf'
  id: string
  label: string
  depth: number
  ref: ColumnRef
  /** How many runs carry it; null for what every run has. */
  runs: number | null
}

export type TreeNode = Branch | Leaf

const ROOTS: [ColumnKind, string][] = [
  ['attribute', 'Run'],
  ['metric', 'Metrics'],
  ['param', 'Params'],
  ['tag', 'Tags'],
]
/** A part with one thing below it is not worth a branch. */
const FEWEST = 2

/** The branches for each kind of column, of what passes the test. */
export function columnTree(known: ColumnInfo[], matches: (name: string) => boolean): Branch[] {
  return ROOTS.map(([kind, label]) => {
    const found: { ref: ColumnRef; runs: number | null }[] =
      kind === 'attribute'
        ? ATTRIBUTE_KEYS.map((key) => ({ ref: { kind, key }, runs: null }))
        : known
            .filter((info) => info.kind === kind)
            .map((info) => ({ ref: { kind, key: info.key }, runs: info.run_count }))
    const leaves = found
      .filter(({ ref }) => matches(`${label}.${columnLabel(ref)}`))
      .sort((a, b) => (kind === 'attribute' ? 0 : byNumbers(a.ref.key, b.ref.key)))
      .map(({ ref, runs }): Leaf => {
        return { kind: 'leaf', id: `${kind}:${ref.key}`, label: columnLabel(ref), depth: 1, ref, runs }
      })
    const nodes = kind === 'attribute' ? leaves : nest(leaves, `${kind}:`, 0, 1)
    return { kind: 'branch', id: kind, label, depth: 0, leaves, nodes } satisfies Branch
  }).filter(({ leaves }) => leaves.length > 0)
}

/** Puts leaves that agree in the part of their name after `from` below one branch. */
function nest(leaves: Leaf[], prefix: string, from: number, depth: number): TreeNode[] {
  const groups = new Map<string, Leaf[]>()
  for (const leaf of leaves) {
    const end = leaf.ref.key.slice(from).search(/[/.]/)
    // Without a next part a leaf stands by itself; its name cannot be that of a branch, which ends in a separator.
    const part = end <= 0 ? leaf.ref.key.slice(from) : leaf.ref.key.slice(from, from + end + 1)
    groups.set(part, [...(groups.get(part) ?? []), leaf])
  }
  return [...groups].flatMap(([part, members]): TreeNode[] => {
    if (members.length < FEWEST || !/[/.]$/.test(part))
      return members.map((leaf) => ({ ...leaf, label: leaf.ref.key.slice(from), depth }))
    const id = prefix + part
    const nodes = nest(members, id, from + part.length, depth + 1)
    return [{ kind: 'branch', id, label: part, depth, leaves: members, nodes }]
  })
}

/** What is on screen, from top to bottom: the tree without what is below closed branches. */
export function openNodes(nodes: TreeNode[], isOpen: (id: string) => boolean): TreeNode[] {
  return nodes.flatMap((node) =>
    node.kind === 'branch' && isOpen(node.id) ? [node, ...openNodes(node.nodes, isOpen)] : [node],
  )
}
