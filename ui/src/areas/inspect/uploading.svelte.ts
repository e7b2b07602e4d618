// One folder on its way from the browser into Slipway's data folder: read, asked about, sent, and then looked into like
// any other. It is there whole, or not at all.

import { describe, isAbort } from '../../api/client'
import { projectsApi } from '../../api/projects'
import { router } from '../../app/router.svelte'
import type { Gathered } from './gather'

/** Files that are sent at a time: enough that small ones do not wait for each other. */
const AT_ONCE = 4

class Uploading {
  phase = $state<'none' | 'reading' | 'asking' | 'sending'>('none')
  gathered = $state.raw<Gathered | null>(null)
  sentFiles = $state(0)
  sentBytes = $state(0)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)
  private going: AbortController | null = null

  async offerEntries(entries: FileSystemEntry[]): Promise<void> {
    if (this.phase === 'sending' || entries.length === 0) return
    this.begin()
    const mine = this.going
    try {
      const { gatherEntries } = await import('./gather')
      const gathered = await gatherEntries(entries, () => this.going === mine)
      if (this.going === mine) this.ask(gathered)
    } catch (error) {
      if (this.going !== mine) return
      this.problem = { message: 'The browser could not read it.', hint: String(error) }
      this.phase = 'asking'
    }
  }

  async offerFiles(files: Iterable<File>): Promise<void> {
    if (this.phase === 'sending') return
    this.begin()
    const mine = this.going
    const { gatherFiles } = await import('./gather')
    if (this.going === mine) this.ask(gatherFiles(files))
  }

  private begin(): void {
    this.going?.abort()
    this.going = new AbortController()
    this.gathered = null
    this.problem = null
    this.sentFiles = 0
    this.sentBytes = 0
    this.phase = 'reading'
  }

  private ask(gathered: Gathered): void {
    this.gathered = gathered
    this.phase = 'asking'
  }

  async send(): Promise<void> {
    const { gathered, going } = this
    if (!gathered || !going || this.phase !== 'asking') return
    this.phase = 'sending'
    this.problem = null
    this.sentFiles = 0
    this.sentBytes = 0
    let id = ''
    try {
      id = (await projectsApi.beginUpload(gathered.name, gathered.files.length, gathered.bytes)).upload_id
      const left = [...gathered.files].reverse()
      const work = async () => {
        for (let next = left.pop(); next; next = left.pop()) {
          await projectsApi.putFile(id, next.path, next.file, going.signal)
          this.sentFiles += 1
          this.sentBytes += next.file.size
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      const { path } = await projectsApi.publishUpload(id)
      this.close()
      router.go('/inspect', { path })
    } catch (error) {
      // The others need not go on when one has failed.
      going.abort()
      if (id) void projectsApi.dropUpload(id).catch(() => undefined)
      if (this.going !== going || isAbort(error)) return
      this.going = new AbortController()
      this.problem = describe(error)
      this.phase = 'asking'
    }
  }

  /** Stops whatever goes on; nothing of it stays. */
  close(): void {
    const { going } = this
    this.going = null
    this.phase = 'none'
    this.gathered = null
    going?.abort()
  }
}

export const uploading = new Uploading()
