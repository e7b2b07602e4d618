// Calls about jobs and their queue. They stand apart since only the screens that show jobs load them.

import { json } from './client'
import type {
  JobDetail,
  JobOrder,
  JobList,
  JobRequest,
  JobSpec,
  JobState,
  JobSummary,
  QueueSettings,
  QueueStatus,
} from './job-types'
import type { ArtifactLink, Changed, LogFind, LogMatches, LogPage, LogStream } from './types'

export interface JobsQuery {
  states: JobState[]
  text: string
  order?: JobOrder
  reverse?: boolean
  offset?: number
  limit: number
}

/** One attempt, the last when null; one stream, all of them when null. */
export interface WhichLog {
  attempt: number | null
  stream: LogStream | null
}

const at = (id: string) => `/jobs/${encodeURIComponent(id)}`
const AT_ONCE = 6

/** Asks for each, a few at a time, and sums up what changed. Stops at the first that fails. */
async function forEach(ids: string[], ask: (id: string) => Promise<number>): Promise<Changed> {
  const left = [...ids].reverse()
  let changed = 0
  const work = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) changed += await ask(id)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return { changed }
}

export const jobsApi = {
  list({ states, text, order, reverse = false, offset = 0, limit }: JobsQuery, signal?: AbortSignal) {
    const query = new URLSearchParams({ offset: String(offset), limit: String(limit) })
    if (states.length > 0) query.set('state', states.join(','))
    if (text) query.set('text', text)
    if (order) query.set('order', order)
    if (reverse) query.set('reverse', 'true')
    return json<JobList>(`/jobs?${query.toString()}`, 'GET', undefined, signal)
  },
  get: (id: string) => json<JobDetail>(at(id)),
  submit: (request: JobRequest) => json<JobSummary>('/jobs', 'POST', request),
  cancel: (ids: string[]) => json<Changed>('/jobs/cancel', 'POST', { job_ids: ids }),
  /** As it was, or with another description. */
  retry: (id: string, spec?: JobSpec) => json<JobSummary>(`${at(id)}/retry`, 'POST', { spec }),
  retryAll: (ids: string[]) =>
    forEach(ids, async (id) => {
      await json<JobSummary>(`${at(id)}/retry`, 'POST', {})
      return 1
    }),
  forget: (ids: string[]) => json<Changed>('/jobs/forget', 'POST', { job_ids: ids }),
  prioritize: (id: string, priority: number) => json<JobSummary>(`${at(id)}/priority`, 'POST', { priority }),
  endLeftovers: (id: string) => json<{ processes: number }>(`${at(id)}/end-leftovers`, 'POST'),
  lines: (id: string, which: WhichLog, first: number | null, count: number) =>
    json<LogPage>(`${at(id)}/log/lines`, 'POST', { ...which, first_line: first, count }),
  search: (id: string, which: WhichLog, find: LogFind, from: number, limit: number, signal?: AbortSignal) =>
    json<LogMatches>(`${at(id)}/log/search`, 'POST', { ...which, find, from_line: from, limit }, signal),
  /** Where the browser can save all of a log from. */
  logLink: (id: string, attempt: number | null) =>
    json<ArtifactLink>(`${at(id)}/log/link`, 'POST', { attempt }),
  queue: () => json<QueueStatus>('/queue'),
  setQueue: (settings: QueueSettings) => json<QueueStatus>('/queue', 'PUT', settings),
}
