// Says in the window that jobs have ended: each by itself while they are few, and one digest when the queue has emptied
// after many.

import { jobsApi } from '../../api/jobs'
import type { JobSummary, JobState } from '../../api/job-types'
import type { Event } from '../../api/types'
import { router } from '../../app/router.svelte'
import { toasts } from '../../app/toasts.svelte'
import { plural } from '../../design/format'
import { isLive } from './words'

/** Jobs that end within this time of each other are told together. */
const GATHER_MS = 1500
/** More jobs than this since the queue was last empty become one digest. */
const MOST_SINGLE = 3

const WORDS: Partial<Record<JobState, string>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'was canceled',
  lost: 'was lost',
}

/** `8 succeeded, 2 failed` */
export function digest(ended: ReadonlyMap<string, JobState>): string {
  const counts = new Map<JobState, number>()
  for (const state of ended.values()) counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
}

export class Notices {
  /** What has ended since the queue was last empty. */
  private ended = new Map<string, JobState>()
  private fresh = new Set<string>()
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private api: Pick<typeof jobsApi, 'get' | 'list'> = jobsApi,
    private show: typeof toasts.show = (text, options) => toasts.show(text, options),
  ) {}

  hear(event: Event): void {
    if (event.type !== 'jobs') return
    for (const { job_id, state } of event.jobs) {
      // A job that is skipped or cached did nothing that anybody waits for.
      if (!state || !WORDS[state] || this.ended.has(job_id)) continue
      this.ended.set(job_id, state)
      this.fresh.add(job_id)
    }
    if (this.fresh.size > 0) this.timer ??= setTimeout(() => void this.tell(), GATHER_MS)
  }

  private async tell(): Promise<void> {
    this.timer = undefined
    const fresh = [...this.fresh]
    this.fresh.clear()
    try {
      if (this.ended.size <= MOST_SINGLE) await Promise.all(fresh.map((id) => this.single(id)))
      const { counts } = await this.api.list({ states: [], text: '', limit: 1 })
      if (counts.some(({ state, jobs }) => isLive(state) && jobs > 0)) return
      if (this.ended.size > MOST_SINGLE)
        this.show(`The queue is empty: ${plural(this.ended.size, 'job')} ended, ${digest(this.ended)}.`, {
          kind: [...this.ended.values()].some((state) => state === 'failed' || state === 'lost')
            ? 'error'
            : 'done',
          action: { label: 'Jobs', run: () => router.go('/jobs') },
        })
      this.ended.clear()
    } catch {
      // The server is away; its jobs are in the list when it is back.
    }
  }

  private async single(id: string): Promise<void> {
    // Whoever looks at the job sees it.
    if (router.place.path === `/jobs/${id}` || router.place.path === '/jobs') return
    const job: JobSummary = await this.api.get(id)
    const word = WORDS[job.state]
    if (!word) return
    this.show(`${job.name} ${word}${job.state === 'failed' && job.reason ? `: ${job.reason}` : ''}.`, {
      kind: job.state === 'succeeded' || job.state === 'canceled' ? 'done' : 'error',
      action: { label: 'Open', run: () => router.go(`/jobs/${id}`) },
    })
  }
}
