// What a job printed: its lines, all of them or those of one stream, and all of it as a file.

import { describe } from '../../api/client'
import { jobsApi } from '../../api/jobs'
import type { LogStream } from '../../api/types'
import { toasts } from '../../app/toasts.svelte'
import { follow } from '../run/download'
import type { LogSource } from '../run/log.svelte'

export function jobLog(id: string, attempt: number | null, stream: LogStream | null = null): LogSource {
  return {
    lines: (first, count) => jobsApi.lines(id, { attempt, stream }, first, count),
    search: (find, from, limit, signal) => jobsApi.search(id, { attempt, stream }, find, from, limit, signal),
    part: stream === 'agent' ? 'Slipway' : (stream ?? undefined),
  }
}

/** The browser fetches it by an address, so that none of it passes through the page's memory. */
export async function saveLog(id: string, attempt: number | null, name: string): Promise<void> {
  try {
    const { url } = await jobsApi.logLink(id, attempt)
    const file = `${name}.log`
    follow(`${url}?download=${encodeURIComponent(file)}`, file)
  } catch (error) {
    toasts.show(describe(error).message, { kind: 'error' })
  }
}
