// What could come next in a filter of the registry, from the names that are on screen. The server reads the filter;
// this only offers words.

import type { Suggestion, Suggestions } from '../../api/types'

export interface Known {
  /** Attributes that may be named, e.g. `alias`. */
  attributes: string[]
  tags: Iterable<string>
  metrics: Iterable<string>
  /** Values by attribute. */
  values: Record<string, Iterable<string>>
}

const MOST = 30
const TOKEN = /'(?:[^']|'')*'?|"[^"]*"?|`[^`]*`?|<=|>=|!=|[=<>(),]|[^\s=<>!(),'"`]+(?:`[^`]*`?|"[^"]*"?)?/g
const OPERATOR = /^(=|!=|<|<=|>|>=|like|ilike)$/i

interface Token {
  text: string
  from: number
  to: number
}

export function complete(text: string, cursor: number, known: Known): Suggestions {
  const before = [...text.slice(0, cursor).matchAll(TOKEN)].map((match): Token => {
    return { text: match[0], from: match.index, to: match.index + match[0].length }
  })
  const last = before.at(-1)
  // The word that the cursor stands at the end of is what would be replaced.
  const written = last?.to === cursor && !/^[=<>(),!]+$/.test(last.text) ? last : undefined
  const done = written ? before.slice(0, -1) : before
  const prefix = written?.text ?? ''
  const from = written?.from ?? cursor
  return { from, to: cursor, items: offered(done, known).filter(fits(prefix)).slice(0, MOST) }
}

const fits =
  (prefix: string) =>
  ({ text }: Suggestion) => {
    const wanted = prefix.replace(/^['"`]/, '').toLowerCase()
    return text.toLowerCase().includes(wanted) && text !== prefix
  }

function offered(done: Token[], known: Known): Suggestion[] {
  const last = done.at(-1)?.text ?? ''
  if (done.length === 0 || last === '(' || /^(and|or|not)$/i.test(last)) return keys(known)
  if (OPERATOR.test(last)) return values(done.at(-2)?.text ?? '', known)
  const operator = done.at(-2)?.text ?? ''
  if (OPERATOR.test(operator)) return [{ text: 'and', kind: 'keyword', detail: '' }]
  return operators(last)
}

function keys(known: Known): Suggestion[] {
  const quoted = (key: string) => (/^[\w.]+$/.test(key) ? key : `\`${key}\``)
  return [
    ...known.attributes.map((text): Suggestion => ({ text, kind: 'attribute', detail: '' })),
    ...[...known.metrics].map((key): Suggestion => {
      return { text: `metrics.${quoted(key)}`, kind: 'metric', detail: '' }
    }),
    ...[...known.tags].map((key): Suggestion => ({ text: `tags.${quoted(key)}`, kind: 'tag', detail: '' })),
  ]
}

function operators(key: string): Suggestion[] {
  const numeric = /^metrics?\./i.test(key) || key === 'version_number'
  const list = numeric ? ['>', '>=', '<', '<=', '=', '!='] : ['=', '!=', 'LIKE', 'ILIKE']
  return list.map((text) => ({ text, kind: 'operator', detail: '' }))
}

function values(key: string, known: Known): Suggestion[] {
  return [...(known.values[key] ?? [])].map((value) => {
    return { text: `'${value.replaceAll("'", "''")}'`, kind: 'value', detail: '' }
  })
}
