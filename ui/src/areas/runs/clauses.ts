// The parts of a filter that stand side by side. The server reads filters; this only cuts one between its parts.

const KEYWORD = /^(and|between)\b/i

/** Each part between the `and`s that are in no bracket and no quotes, with what is left without it. */
export function withoutEach(filter: string): { clause: string; rest: string }[] {
  const parts = splitAnd(filter)
  return parts.map((clause, i) => {
    return { clause, rest: parts.filter((_, other) => other !== i).join(' and ') }
  })
}

export function splitAnd(filter: string): string[] {
  const parts: string[] = []
  let start = 0
  let depth = 0
  let quote = ''
  let between = false
  for (let at = 0; at < filter.length; at++) {
    const char = filter.charAt(at)
    if (quote) {
      if (char === quote) quote = ''
      continue
    }
    if (char === '"' || char === "'" || char === '`') quote = char
    else if (char === '(') depth += 1
    else if (char === ')') depth -= 1
    else if (depth === 0 && (at === 0 || /\s|\)/.test(filter.charAt(at - 1)))) {
      const word = KEYWORD.exec(filter.slice(at))?.[0].toLowerCase()
      if (word === 'between') between = true
      else if (word === 'and' && between) between = false
      else if (word === 'and') {
        parts.push(filter.slice(start, at).trim())
        start = at + 3
      }
    }
  }
  parts.push(filter.slice(start).trim())
  return parts.filter(Boolean)
}

/** Words without an operator look for names and notes, as does a regular expression between slashes. */
export function isSearch(text: string): boolean {
  if (/^\/.*\/$/.test(text)) return true
  return !/[=<>!~(]|\b(like|ilike|in|is|between|and|or|not|has)\b\s*\S|^\s*(metrics?|params?|tags?|attributes?)\./i.test(
    text,
  )
}
