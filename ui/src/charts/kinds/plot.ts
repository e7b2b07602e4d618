// What every kind of plot tells its body.

/** The same data as rows, for those who cannot see or point. */
export interface Twin {
  head: string[]
  rows: string[][]
  /** Rows there are, if not all of them are given. */
  total?: number
}

/** Why there is nothing to see, and what helps. */
export interface Empty {
  why: string
  fix?: { label: string; run: () => void }
}

/** Said where every run is hidden. */
export const NO_RUN: Empty = { why: 'No run is visible. Open an eye in the table.' }

/** How far the question behind a plot is. */
export interface Asking {
  problem: { message: string; hint?: string } | null
  loading: boolean
  retry: () => void
}

/** What a kind lets its frame do. */
export interface KindHandle {
  key?: (event: KeyboardEvent) => (() => void) | undefined
}

/** Rows of a twin that are shown at most. */
export const MOST_TWIN_ROWS = 500
