// Charts that ask for their lines at the same time share one request, and each gets its answer as soon as the server
// has it.

import { api, type SeriesAnswer } from './client'
import type { SeriesEntry } from './series'
import type { SeriesRequest } from './types'

const MOST_REQUESTS = 100

interface Waiting {
  request: SeriesRequest
  signal: AbortSignal
  first: ((entries: SeriesEntry[]) => void) | undefined
  resolve: (entries: SeriesEntry[]) => void
  reject: (error: unknown) => void
}

let waiting: Waiting[] = []

const aborted = () => new DOMException('The chart asks for something else by now.', 'AbortError')

/** The lines of one chart. `first` gets a first picture of them, if there is one before. */
export function chartSeries(
  request: SeriesRequest,
  signal: AbortSignal,
  first?: (entries: SeriesEntry[]) => void,
): Promise<SeriesEntry[]> {
  return new Promise((resolve, reject) => {
    // All charts that change in this turn of the event loop have asked when the next one begins. What is on screen
    // already is drawn first, before the server takes its share of the processors.
    if (waiting.length === 0) {
      if (first || document.hidden) setTimeout(flush, 0)
      else requestAnimationFrame(() => setTimeout(flush, 0))
    }
    waiting.push({ request, signal, first, resolve, reject })
  })
}

function flush(): void {
  const all = waiting
  waiting = []
  for (const { reject } of all.filter(({ signal }) => signal.aborted)) reject(aborted())
  const wanted = all.filter(({ signal }) => !signal.aborted)
  for (let i = 0; i < wanted.length; i += MOST_REQUESTS) void ask(wanted.slice(i, i + MOST_REQUESTS))
}

async function ask(batch: Waiting[]): Promise<void> {
  // The server goes on until no chart waits any more.
  const abort = new AbortController()
  let open = batch.length
  const drop = ({ reject }: Waiting) => {
    reject(aborted())
    open -= 1
    if (open === 0) abort.abort()
  }
  for (const one of batch) one.signal.addEventListener('abort', () => drop(one), { once: true })
  const answer = (index: number, made: SeriesAnswer, first: boolean) => {
    const one = batch[index]
    if (!one || one.signal.aborted) return
    if (first) {
      if (!(made instanceof Error)) one.first?.(made)
    } else if (made instanceof Error) one.reject(made)
    else one.resolve(made)
  }
  try {
    await api.seriesBatch(
      {
        requests: batch.map(({ request }) => request),
        first_pictures: batch.some(({ first }) => first !== undefined),
      },
      answer,
      abort.signal,
    )
    for (const { reject } of batch) reject(new Error('The server ended its answer before this chart.'))
  } catch (error) {
    for (const { reject } of batch) reject(error)
  }
}
