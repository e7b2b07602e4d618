// Saving files of a run: the browser fetches them by an address, so that none of it passes through the page's memory.

import { api, describe } from '../../api/client'
import { toasts } from '../../app/toasts.svelte'

export function follow(url: string, name: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = name
  document.body.append(link)
  link.click()
  link.remove()
}

export async function downloadArtifact(runId: string, path: string): Promise<void> {
  try {
    const { url } = await api.artifactLink(runId, path)
    follow(`${url}?download=1`, path.slice(path.lastIndexOf('/') + 1))
  } catch (error) {
    toasts.show(describe(error).message, { kind: 'error' })
  }
}

/** All files below a folder as one zip archive. */
export async function downloadFolder(runId: string, folder: string): Promise<void> {
  try {
    const { url } = await api.archiveLink(runId, folder)
    follow(url, '')
  } catch (error) {
    toasts.show(describe(error).message, { kind: 'error' })
  }
}
