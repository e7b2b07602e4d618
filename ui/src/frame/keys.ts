// How keys are written where people read them.

const ON_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent)
const MAC: Record<string, string> = { Ctrl: '⌘', Alt: '⌥', Shift: '⇧' }

/** `Ctrl+Shift+Z` as the machine's own programs write it; `g r` as two keys. */
export function shownKey(key: string): string {
  if (key.includes(' ')) return key.split(' ').map(shownKey).join(' then ')
  // The plus itself can be the key.
  const parts = key.split(/\+(?=.)/)
  return ON_MAC ? parts.map((part) => MAC[part] ?? part).join('') : parts.join(' ')
}
