// What the palette offers, and in which order.

/** Something the palette offers. */
export interface Command {
  /** Names it among those used lately. */
  id: string
  group: string
  label: string
  detail?: string
  keys?: string
  run: () => void
}

const WORD_START = 8
const IN_A_ROW = 5
const SKIPPED = 0.15
const NEVER = -Infinity

/** Best way to find `letters` in `label` in their order, from `from` on: its score, or null. */
function walk(letters: string, label: string): number | null {
  // `best[i]` is the best score of the letters so far that ends at character i of the label.
  let best: number[] = []
  for (let l = 0; l < letters.length; l += 1) {
    const next = new Array<number>(label.length).fill(NEVER)
    // The best score of the letters before, ending anywhere up to here, less what was skipped since.
    let before = l === 0 ? 0 : NEVER
    for (let i = 0; i < label.length; i += 1) {
      const inRow = l > 0 && i > 0 ? (best[i - 1] ?? NEVER) + IN_A_ROW : NEVER
      const starts = i === 0 || !/[\p{L}\p{N}]/u.test(label.charAt(i - 1))
      if (label[i] === letters[l]) next[i] = 1 + (starts ? WORD_START : 0) + Math.max(before, inRow)
      before = Math.max(before, l > 0 ? (best[i] ?? NEVER) : NEVER) - SKIPPED
    }
    best = next
  }
  const most = Math.max(...best)
  return most === NEVER ? null : most
}

/** How well a label fits what was typed, larger is better; null when it does not. Each word is looked for by itself. */
export function fit(query: string, label: string): number | null {
  const lower = label.toLowerCase()
  let total = 0
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const score = lower.includes(word) ? 20 + (walk(word, lower) ?? 0) : walk(word, lower)
    // A few letters strewn over a long label are chance.
    if (score === null || score < word.length * 3) return null
    total += score
  }
  return total - label.length * 0.05
}

/** Those that fit, best first; of equal ones the one used lately, then as they came. */
export function rank<T extends { id: string; label: string }>(
  query: string,
  all: T[],
  recent: string[],
): T[] {
  const lately = (id: string) => {
    const at = recent.indexOf(id)
    return at < 0 ? 0 : 6 - Math.min(at, 5)
  }
  return all
    .map((entry, index) => ({ entry, index, score: fit(query, entry.label) }))
    .filter((found): found is { entry: T; index: number; score: number } => found.score !== null)
    .map((found) => ({ ...found, score: found.score + lately(found.entry.id) }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .map(({ entry }) => entry)
}

const KEPT = 30
const STORE_KEY = 'slipway.recent'

/** Ids of what was run from the palette, last first. */
export function recentIds(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(STORE_KEY) ?? '[]')
    return Array.isArray(list) ? list.filter((id): id is string => typeof id === 'string') : []
  } catch {
    return []
  }
}

export function remember(id: string): void {
  localStorage.setItem(
    STORE_KEY,
    JSON.stringify([id, ...recentIds().filter((old) => old !== id)].slice(0, KEPT)),
  )
}
