// Getting a chart out of the window: as a picture, or as every point it stands for.

import { api } from '../api/client'
import type { Axis } from '../runset/view'
import { axisLabel } from './axis'
import { toLines } from './lines'
import type { Plan } from './plan'

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

/** Every point of the lines that a chart has, not what they were thinned to. */
export async function linesToCsv(plan: Plan, x: Axis): Promise<string> {
  const entries = await api.series({ ...plan.request, from: null, to: null, width_px: 0, clip: false })
  const { lines } = toLines(plan.targets, entries)
  const rows = [
    `run_id,run_name,metric,${csvField(axisLabel(x))},value${lines.some((l) => l.smooth) ? ',smoothed' : ''}`,
  ]
  for (const { kind, runId, members, name, metric, raw, smooth } of lines) {
    const head = `${kind === 'group' ? members.join(' ') : (members[0] ?? runId)},${csvField(name)},${csvField(metric)}`
    for (let i = 0; i < raw.x.length; i++) {
      rows.push(`${head},${raw.x[i]},${raw.y[i]}${smooth ? `,${smooth.y[i]}` : ''}`)
    }
  }
  return rows.join('\n') + '\n'
}
