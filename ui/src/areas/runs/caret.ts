import type { Span } from '../../api/types'

/** Carets under the named part of a text in a monospaced font. Spans count UTF-16 units, as strings here do. */
export function caretLine(text: string, span: Span): string {
  const start = Math.min(Math.max(0, span.start), text.length)
  const end = Math.max(start + 1, Math.min(span.end, text.length))
  // Characters outside the basic plane take two units and one place.
  const before = [...text.slice(0, start)].length
  const under = Math.max(1, [...text.slice(start, end)].length)
  return ' '.repeat(before) + '^'.repeat(under)
}
