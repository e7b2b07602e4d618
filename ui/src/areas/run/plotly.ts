// Figures of Plotly as data, taken out of the pages that its `write_html` makes. Nothing in the page is run.

export interface Figure {
  data: unknown[]
  layout: Record<string, unknown>
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A figure in the form of `fig.to_json()`. */
export function figureOf(value: unknown): Figure | null {
  if (!isObject(value) || !Array.isArray(value.data)) return null
  if (!value.data.every(isObject)) return null
  return { data: value.data, layout: isObject(value.layout) ? value.layout : {} }
}

/** The arguments of the first `Plotly.newPlot(id, data, layout, …)` of a page, when they are JSON. */
export function figureIn(page: string): Figure | null {
  const calls = /Plotly\.newPlot\(/g
  for (let call = calls.exec(page); call; call = calls.exec(page)) {
    let at = skipSpace(page, calls.lastIndex)
    const parts: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const end = endOfJson(page, at)
      if (end < 0) break
      try {
        parts.push(JSON.parse(page.slice(at, end)))
      } catch {
        break
      }
      at = skipSpace(page, end)
      if (page[at] !== ',') break
      at = skipSpace(page, at + 1)
    }
    const figure = figureOf({ data: parts[1], layout: parts[2] })
    if (figure) return figure
  }
  return null
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && /\s/.test(text[at] ?? '')) at++
  return at
}

/** Where a JSON text ends that starts here; -1 when none does. */
function endOfJson(text: string, at: number): number {
  let depth = 0
  for (let i = at; i < text.length; i++) {
    const c = text[i]
    if (c === '"') {
      i++
      while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
      if (depth === 0) return i + 1
    } else if (c === '[' || c === '{') depth++
    else if (c === ']' || c === '}') {
      depth--
      if (depth === 0) return i + 1
      if (depth < 0) return -1
    } else if (depth === 0) return -1
  }
  return -1
}
