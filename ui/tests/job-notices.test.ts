import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { JobDetail, JobList, JobState } from '../src/api/job-types'
import { digest, Notices } from '../src/areas/jobs/notices'

let live = 0
let said: string[] = []
const api = {
  get: (id: string) =>
    Promise.resolve({
      job_id: id,
      name: `job ${id}`,
      state: id.startsWith('f') ? 'failed' : 'succeeded',
      reason: 'Exit code 3',
    } as JobDetail),
  list: () =>
    Promise.resolve({ jobs: [], more: false, counts: [{ state: 'queued', jobs: live }] } as JobList),
}
const make = () => new Notices(api, (text) => void said.push(text))
const end = (ids: string[], state: JobState = 'succeeded') => ({
  type: 'jobs' as const,
  jobs: ids.map((job_id) => ({ job_id, state: job_id.startsWith('f') ? ('failed' as const) : state })),
})

beforeEach(() => {
  vi.useFakeTimers()
  live = 0
  said = []
})
afterEach(() => vi.useRealTimers())

test('few jobs are told one by one, with what went wrong', async () => {
  const notices = make()
  notices.hear(end(['a', 'f1']))
  await vi.advanceTimersByTimeAsync(2000)
  expect(said).toEqual(['job a succeeded.', 'job f1 failed: Exit code 3.'])
})

test('many are told once, when the queue is empty', async () => {
  const notices = make()
  live = 5
  notices.hear(end(['a', 'b', 'c', 'd']))
  await vi.advanceTimersByTimeAsync(2000)
  expect(said).toEqual([])
  live = 0
  notices.hear(end(['f1', 'a']))
  await vi.advanceTimersByTimeAsync(2000)
  expect(said).toEqual(['The queue is empty: 5 jobs ended, 4 succeeded, 1 failed.'])
  notices.hear(end(['g']))
  await vi.advanceTimersByTimeAsync(2000)
  expect(said.at(-1)).toBe('job g succeeded.')
})

test('what starts or waits is not told', async () => {
  const notices = make()
  notices.hear(end(['a'], 'running'))
  notices.hear({ type: 'jobs', jobs: [{ job_id: 'b', state: 'queued' }, { job_id: 'c' }] })
  await vi.advanceTimersByTimeAsync(2000)
  expect(said).toEqual([])
  expect(digest(new Map([['a', 'failed' as const]]))).toBe('1 failed')
})
