// What the first character of the palette's text asks for: one kind of thing instead of everything.

export type Mode = 'all' | 'commands' | 'runs' | 'tags' | 'screens' | 'filter' | 'help'

export interface Asked {
  mode: Mode
  /** What is looked for, without the character. */
  query: string
}

export const MODES: readonly { prefix: string; mode: Mode; label: string }[] = [
  { prefix: '>', mode: 'commands', label: 'Commands' },
  { prefix: '@', mode: 'runs', label: 'Runs, by name or id' },
  { prefix: '#', mode: 'tags', label: 'Runs that have a tag' },
  { prefix: ':', mode: 'screens', label: 'Go to a screen' },
  { prefix: '=', mode: 'filter', label: 'Filter the runs, e.g. = val_loss < 0.3' },
  { prefix: '?', mode: 'help', label: 'This list, and all keys' },
]

export function asked(text: string): Asked {
  const typed = text.trim()
  const found = MODES.find(({ prefix }) => typed.startsWith(prefix))
  return found ? { mode: found.mode, query: typed.slice(1).trim() } : { mode: 'all', query: typed }
}
