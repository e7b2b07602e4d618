// Params as people wrote them: a nested tree, and texts to paste elsewhere.

import type { KeyValue } from '../../api/types'

export interface ConfigNode {
  /** The last part of the key. */
  name: string
  /** The whole key, as it was logged. */
  key: string
  /** Absent for a branch that has no value of its own. */
  value?: string
  children: ConfigNode[]
}

/** A tree by the dots and slashes in keys. Branches with one way through them are one node. */
export function configTree(params: KeyValue[]): ConfigNode[] {
  const root: ConfigNode = { name: '', key: '', children: [] }
  for (const { key, value } of params) {
    let node = root
    let at = 0
    for (const part of key.split(/(?<=[^./])[./](?=[^./])/)) {
      at += part.length
      const path = key.slice(0, at)
      at += 1
      let child = node.children.find((other) => other.name === part)
      if (!child) {
        child = { name: part, key: path, children: [] }
        node.children.push(child)
      }
      node = child
    }
    node.value = value
  }
  return root.children.map(folded)
}

function folded(node: ConfigNode): ConfigNode {
  const only = node.children[0]
  if (node.value === undefined && node.children.length === 1 && only) {
    const below = folded(only)
    return { ...below, name: below.key.slice(node.key.length - node.name.length) }
  }
  return { ...node, children: node.children.map(folded) }
}

type Nested = { [key: string]: string | Nested }

function nested(nodes: ConfigNode[]): Nested {
  const out: Nested = Object.create(null) as Nested
  for (const node of nodes) {
    if (node.children.length === 0) out[node.name] = node.value ?? ''
    else
      out[node.name] = { ...(node.value === undefined ? {} : { '': node.value }), ...nested(node.children) }
  }
  return out
}

/** Numbers, booleans and null as themselves; everything else stays a text. */
function scalar(text: string): string | number | boolean | null {
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) && String(Number(text)).length <= text.length + 4)
    return Number.isSafeInteger(Number(text)) || /[.eE]/.test(text) ? Number(text) : text
  if (/^true$/i.test(text)) return true
  if (/^false$/i.test(text)) return false
  if (/^(null|none)$/i.test(text)) return null
  return text
}

function typed(tree: Nested): unknown {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [
      key,
      typeof value === 'string' ? scalar(value) : typed(value),
    ]),
  )
}

export function asJson(params: KeyValue[]): string {
  return JSON.stringify(typed(nested(configTree(params))), null, 2)
}

export function asYaml(params: KeyValue[]): string {
  const lines: string[] = []
  const quoted = (text: string) => (/^[A-Za-z_][\w./-]*$/.test(text) ? text : JSON.stringify(text))
  const walk = (tree: Nested, indent: string) => {
    for (const [key, value] of Object.entries(tree)) {
      if (typeof value !== 'string') {
        lines.push(`${indent}${quoted(key)}:`)
        walk(value, `${indent}  `)
        continue
      }
      const plain = scalar(value)
      // Words that YAML takes for something else are quoted.
      const text =
        typeof plain !== 'string'
          ? String(plain)
          : /^(y|n|yes|no|on|off|~)$/i.test(value)
            ? JSON.stringify(value)
            : quoted(value)
      lines.push(`${indent}${quoted(key)}: ${text}`)
    }
  }
  walk(nested(configTree(params)), '')
  return lines.join('\n') + '\n'
}

/** `--key=value` words that a POSIX shell reads as they are. */
export function asArguments(params: KeyValue[]): string {
  const shell = (text: string) =>
    /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
  return params.map(({ key, value }) => shell(`--${key}=${value}`)).join(' ')
}
