// Getting a chart out of the window: as a picture, or as every point it stands for.

import { api } from '../api/client'
import type { XAxis } from '../api/types'
import type { ChartRun } from './group.svelte'

export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** Puts the picture on the clipboard; where that is not allowed, saves it. Says which of the two. */
export async function copyPicture(canvas: HTMLCanvasElement, name: string): Promise<boolean> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'))
  if (!blob) return false
  try {
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })])
    return true
  } catch {
    save(blob, name)
    return false
  }
}

/** A field of a CSV file; a leading sign that a spreadsheet would run as a formula is defused. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Every point of the metric, not what the chart was thinned to. */
export async function linesToCsv(runs: ChartRun[], metric: string, x: XAxis): Promise<string> {
  const entries = await api.series({
    series: runs.map((run) => ({ run_id: run.runId, metric })),
    x,
    width_px: 0,
    smoothing: 0,
  })
  const rows = [`run_id,run_name,${x},${csvField(metric)}`]
  for (const entry of entries) {
    const run = runs[entry.request]
    if (!run || entry.smoothed) continue
    const name = csvField(run.name)
    for (let i = 0; i < entry.x.length; i++) rows.push(`${run.runId},${name},${entry.x[i]},${entry.y[i]}`)
  }
  return rows.join('\n') + '\n'
}
