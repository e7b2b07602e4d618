// Parts of a screen that its first picture does not need: each a chunk of its own, loaded when it is first asked for.

/** After the first charts. */
const AFTER_MS = 2_000

/** Loads parts once the screen has been there for a moment, so that whoever asks for one hardly waits. */
export function fetchLater(parts: Record<string, () => Promise<unknown>>): () => void {
  const wait = setTimeout(() => void Promise.allSettled(Object.values(parts).map((load) => load())), AFTER_MS)
  return () => clearTimeout(wait)
}
