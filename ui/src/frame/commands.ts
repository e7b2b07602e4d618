/** Something the palette offers. */
export interface Command {
  group: string
  label: string
  keys?: string
  run: () => void
}

/** All words occur, in any order; each may also stand for the first letters of consecutive words. */
export function commandMatches(query: string, label: string): boolean {
  const lower = label.toLowerCase()
  const initials = lower
    .split(/[^\p{L}\p{N}]+/u)
    .map((word) => word.charAt(0))
    .join('')
  return query
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => lower.includes(word) || (word.length > 1 && initials.includes(word)))
}
