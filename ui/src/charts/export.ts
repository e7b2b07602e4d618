// Getting a chart out of the window: as a picture, or as every point it stands for.

import { api } from '../api/client'
import type { ChartLine, PictureRequest } from '../api/types'
import { paint, PALETTE_TOKENS, runLook } from '../design/colors'
import type { Axis } from '../runset/view'
import { axisLabel } from './axis'
import type { Range } from './group.svelte'
import { toLines } from './lines'
import type { Plan, Target } from './plan'
import type { ChartLook } from './settings'

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

/** What a line looks like on screen. Colours of the palette go by number, so that each theme has its own. */
export function pictureLine(
  target: Pick<Target, 'runId' | 'name' | 'kind' | 'dash'>,
  baseline: string | null,
  palette: readonly string[],
): ChartLine {
  const look = runLook(target.runId)
  const given = look.css ?? (look.ramp ? paint(look, palette).trim() : null)
  const short = given && /^#[0-9a-f]{3}$/i.exec(given)
  const colour = short ? given.replace(/[0-9a-f]/gi, '$&$&') : given
  return {
    name: target.name,
    ...(colour && /^#[0-9a-f]{6}$/i.test(colour) ? { colour } : { slot: look.slot }),
    dash: target.dash ?? look.dash,
    role: target.runId === baseline ? 'baseline' : target.kind === 'member' ? 'member' : 'line',
  }
}

/** The values of the palette's tokens. */
export function screenPalette(): string[] {
  const style = getComputedStyle(document.documentElement)
  return PALETTE_TOKENS.map((token) => style.getPropertyValue(token))
}

/** The chart as it is on screen, for the server to draw. */
export function pictureOf(
  plan: Plan,
  look: ChartLook,
  title: string,
  baseline: string | null,
  zoom: Range | null,
): PictureRequest['chart'] {
  const palette = screenPalette()
  return {
    data: { ...plan.request, from: zoom?.[0] ?? look.xRange[0], to: zoom?.[1] ?? look.xRange[1] },
    lines: plan.targets.map((target) => pictureLine(target, baseline, palette)),
    title,
    log_y: look.log,
    symlog_y: look.symlog,
    y_from: look.yRange[0],
    y_to: look.yRange[1],
    faint: look.faint,
  }
}
