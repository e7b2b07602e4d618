// Lines on a canvas. The server sends at most four points per pixel column, so every point is simply drawn.

import type uPlot from 'uplot'
import { DASHES, paint, runLook } from '../design/colors'
import type { SeriesEntry } from '../api/series'
import type { Line } from './lines'

const RAW_ALPHA = 0.25
const FEW_POINTS = 60

/** Maps values to canvas pixels without a function call per point. */
interface Transform {
  toX: (x: number) => number
  toY: (y: number) => number
}

function transform(u: uPlot, log: boolean): Transform | null {
  const { left, top, width, height } = u.bbox
  const x = u.scales.x
  const y = u.scales.y
  if (
    typeof x?.min !== 'number' ||
    typeof x.max !== 'number' ||
    typeof y?.min !== 'number' ||
    typeof y.max !== 'number'
  )
    return null
  const xMin = x.min
  const xStretch = width / (x.max - x.min)
  const yMin = log ? Math.log10(y.min) : y.min
  const yMax = log ? Math.log10(y.max) : y.max
  const yStretch = height / (yMax - yMin)
  const bottom = top + height
  return {
    toX: (value) => left + (value - xMin) * xStretch,
    toY: log
      ? (value) => bottom - (Math.log10(value) - yMin) * yStretch
      : (value) => bottom - (value - yMin) * yStretch,
  }
}

function trace(
  ctx: CanvasRenderingContext2D,
  entry: SeriesEntry,
  { toX, toY }: Transform,
  log: boolean,
): void {
  ctx.beginPath()
  let down = false
  for (let i = 0; i < entry.x.length; i++) {
    const y = entry.y[i] ?? NaN
    if (!Number.isFinite(y) || (log && y <= 0)) {
      down = false
      continue
    }
    const px = toX(entry.x[i] ?? NaN)
    const py = toY(y)
    if (down) ctx.lineTo(px, py)
    else ctx.moveTo(px, py)
    down = true
  }
  ctx.stroke()
}

function dots(
  ctx: CanvasRenderingContext2D,
  entry: SeriesEntry,
  { toX, toY }: Transform,
  size: number,
): void {
  for (let i = 0; i < entry.x.length; i++) {
    const y = entry.y[i] ?? NaN
    if (!Number.isFinite(y)) continue
    ctx.beginPath()
    ctx.arc(toX(entry.x[i] ?? NaN), toY(y), size, 0, 2 * Math.PI)
    ctx.fill()
  }
}

/** A mark at the edge of the chart for each value that is not a finite number, so that none is hidden. */
function edgeMarks(
  ctx: CanvasRenderingContext2D,
  u: uPlot,
  entry: SeriesEntry,
  { toX }: Transform,
  ratio: number,
): void {
  const top = u.bbox.top + 4 * ratio
  const bottom = u.bbox.top + u.bbox.height - 4 * ratio
  const size = 3.5 * ratio
  // Marks that would cover each other say no more than one.
  const last = new Map<number, number>()
  for (let i = 0; i < entry.x.length; i++) {
    const y = entry.y[i] ?? 0
    if (Number.isFinite(y)) continue
    const px = toX(entry.x[i] ?? NaN)
    if (px - (last.get(y) ?? -Infinity) < 3 * size) continue
    last.set(y, px)
    ctx.beginPath()
    if (y === Infinity) {
      ctx.moveTo(px - size, top + size)
      ctx.lineTo(px, top - size)
      ctx.lineTo(px + size, top + size)
      ctx.fill()
    } else if (y === -Infinity) {
      ctx.moveTo(px - size, bottom - size)
      ctx.lineTo(px, bottom + size)
      ctx.lineTo(px + size, bottom - size)
      ctx.fill()
    } else {
      ctx.moveTo(px - size, bottom - size)
      ctx.lineTo(px + size, bottom + size)
      ctx.moveTo(px + size, bottom - size)
      ctx.lineTo(px - size, bottom + size)
      ctx.stroke()
    }
  }
}

export interface DrawOptions {
  log: boolean
  /** The colours of the current theme, for `paint`. */
  palette: string[]
  /** Device pixels per CSS pixel. */
  ratio: number
}

export function drawLines(
  ctx: CanvasRenderingContext2D,
  u: uPlot,
  lines: Line[],
  options: DrawOptions,
  wide = false,
): void {
  const at = transform(u, options.log)
  if (!at) return
  const { ratio } = options
  ctx.save()
  ctx.beginPath()
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
  ctx.clip()
  ctx.lineJoin = 'round'
  // The newest run is first in the list and is drawn last, on top.
  for (const line of [...lines].reverse()) {
    const look = runLook(line.runId)
    const color = paint(look, options.palette)
    ctx.strokeStyle = color
    ctx.fillStyle = color
    if (line.smooth) {
      ctx.globalAlpha = RAW_ALPHA
      ctx.setLineDash([])
      ctx.lineWidth = ratio
      trace(ctx, line.raw, at, options.log)
      ctx.globalAlpha = 1
    }
    ctx.setLineDash((DASHES[look.dash] ?? []).map((n) => n * ratio))
    ctx.lineWidth = (wide ? 2.5 : 1.5) * ratio
    trace(ctx, line.smooth ?? line.raw, at, options.log)
    ctx.setLineDash([])
    const shown = line.smooth ?? line.raw
    if (shown.x.length === 1) dots(ctx, shown, at, 3 * ratio)
    else if (shown.x.length <= FEW_POINTS && u.bbox.width / shown.x.length > 14 * ratio)
      dots(ctx, shown, at, 2 * ratio)
    if (line.raw.nonFinite > 0) {
      ctx.lineWidth = 1.5 * ratio
      edgeMarks(ctx, u, line.raw, at, ratio)
    }
  }
  ctx.restore()
}

/** The layer above the lines that follows the pointer: one line set apart, and a dot on each reading. */
export function drawHover(
  ctx: CanvasRenderingContext2D,
  u: uPlot,
  lines: Line[],
  points: { runId: string; x: number; value: number }[],
  hovered: string | null,
  veil: string,
  options: DrawOptions,
): void {
  ctx.clearRect(0, 0, ctx.canvas.width, ctx.canvas.height)
  const at = transform(u, options.log)
  if (!at) return
  const line = hovered === null ? undefined : lines.find(({ runId }) => runId === hovered)
  if (line && lines.length > 1) {
    ctx.globalAlpha = 0.72
    ctx.fillStyle = veil
    ctx.fillRect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
    ctx.globalAlpha = 1
    drawLines(ctx, u, [line], options, true)
  }
  for (const point of points) {
    if (!Number.isFinite(point.value) || (options.log && point.value <= 0)) continue
    if (line && point.runId !== hovered) continue
    const py = at.toY(point.value)
    if (py < u.bbox.top || py > u.bbox.top + u.bbox.height) continue
    ctx.beginPath()
    ctx.arc(at.toX(point.x), py, 3 * options.ratio, 0, 2 * Math.PI)
    ctx.fillStyle = paint(runLook(point.runId), options.palette)
    ctx.fill()
    ctx.lineWidth = options.ratio
    ctx.strokeStyle = veil
    ctx.stroke()
  }
}
