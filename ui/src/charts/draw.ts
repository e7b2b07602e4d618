// Lines on a canvas. The server sends at most four points per pixel column, so every point is simply drawn; where these
// are many, by `dense.ts`.

import type uPlot from 'uplot'
import { DASHES, paint, runLook } from '../design/colors'
import type { SeriesEntry } from '../api/series'
import { symlogBend } from './axis'
import { colorParts, drawDense } from './dense'
import { isHovered, type Line, type Reading } from './lines'

const RAW_ALPHA = 0.25
const BAND_ALPHA = 0.14
const MEMBER_ALPHA = 0.4
const FEW_POINTS = 60
const BASELINE_DASH = [8, 4]
/** Where a chart has more points than these, they make an area, and are filled in rather than stroked. */
const MOST_STROKED_POINTS = 2000
/** Points nearer than this to the one drawn before, in device pixels, change nothing that can be seen. */
const SAME_PX = 0.3

/** Maps values to canvas pixels without a function call per point. */
interface Transform {
  toX: (x: number) => number
  toY: (y: number) => number
  logX: boolean
  logY: boolean
  /** The x at the edges of the picture. */
  from: number
  to: number
}

export interface DrawOptions {
  log: boolean
  symlog: boolean
  logX: boolean
  /** The unsmoothed line stays visible. */
  faint: boolean
  baseline: string | null
  /** The colours of the current theme, for `paint`. */
  palette: string[]
  /** The colour of text, which is that of the baseline. */
  ink: string
  /** The page's background. */
  veil: string
  /** Device pixels per CSS pixel. */
  ratio: number
}

function transform(u: uPlot, { log, symlog, logX }: DrawOptions): Transform | null {
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
  const xMin = logX ? Math.log10(x.min) : x.min
  const xStretch = width / ((logX ? Math.log10(x.max) : x.max) - xMin)
  const bend = symlogBend(y.min, y.max)
  const bent = log ? Math.log10 : symlog ? (value: number) => Math.asinh(value / bend) : null
  const yMin = bent ? bent(y.min) : y.min
  const yStretch = height / ((bent ? bent(y.max) : y.max) - yMin)
  const bottom = top + height
  return {
    toX: logX
      ? (value) => left + (Math.log10(value) - xMin) * xStretch
      : (value) => left + (value - xMin) * xStretch,
    toY: bent
      ? (value) => bottom - (bent(value) - yMin) * yStretch
      : (value) => bottom - (value - yMin) * yStretch,
    logX,
    logY: log,
    from: x.min,
    to: x.max,
  }
}

/** The points of an entry that reach into the picture: those inside, and one beyond each edge. */
function inPicture(entry: SeriesEntry, from: number, to: number): [number, number] {
  const { x } = entry
  const first = (is: (value: number) => boolean) => {
    let low = 0
    let high = x.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (is(x[middle] ?? NaN)) high = middle
      else low = middle + 1
    }
    return low
  }
  return [
    Math.max(0, first((value) => value >= from) - 1),
    Math.min(x.length, first((value) => value > to) + 1),
  ]
}

function trace(ctx: CanvasRenderingContext2D, entry: SeriesEntry, at: Transform): void {
  const { toX, toY, logX, logY } = at
  const [from, to] = inPicture(entry, at.from, at.to)
  ctx.beginPath()
  let down = false
  let lastX = NaN
  let lastY = NaN
  for (let i = from; i < to; i++) {
    const x = entry.x[i] ?? NaN
    const y = entry.y[i] ?? NaN
    if (!Number.isFinite(y) || (logY && y <= 0) || (logX && x <= 0)) {
      down = false
      continue
    }
    const px = toX(x)
    const py = toY(y)
    if (!down) ctx.moveTo(px, py)
    else if (Math.abs(px - lastX) < SAME_PX && Math.abs(py - lastY) < SAME_PX) continue
    else ctx.lineTo(px, py)
    lastX = px
    lastY = py
    down = true
  }
  ctx.stroke()
}

function fillBand(
  ctx: CanvasRenderingContext2D,
  low: SeriesEntry,
  high: SeriesEntry,
  at: Transform,
  floor: number,
): void {
  const { toX, toY, logX, logY } = at
  const put = (entry: SeriesEntry, i: number) => {
    const x = entry.x[i] ?? NaN
    const y = entry.y[i] ?? NaN
    if (!Number.isFinite(y) || (logX && x <= 0)) return
    // What has no place on a log axis is below the picture.
    ctx.lineTo(toX(x), logY && y <= 0 ? floor : toY(y))
  }
  ctx.beginPath()
  for (let i = 0; i < high.x.length; i++) put(high, i)
  for (let i = low.x.length - 1; i >= 0; i--) put(low, i)
  ctx.closePath()
  ctx.fill()
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

const colorOf = (line: Line, { palette, baseline, ink }: DrawOptions): string =>
  line.runId === baseline ? ink : paint(runLook(line.runId), palette)

function dashOf(line: Line, { baseline }: DrawOptions): readonly number[] {
  if (line.runId === baseline) return BASELINE_DASH
  return DASHES[line.dash ?? runLook(line.runId).dash] ?? []
}

/** The newest run is first in the list and is drawn last, on top; members go below groups, the baseline above all. */
function inOrder(lines: Line[], baseline: string | null): Line[] {
  const rank = (line: Line) => (line.kind === 'member' ? 0 : line.runId === baseline ? 2 : 1)
  return [...lines].reverse().sort((a, b) => rank(a) - rank(b))
}

export function drawLines(
  ctx: CanvasRenderingContext2D,
  u: uPlot,
  lines: Line[],
  options: DrawOptions,
  wide = false,
): void {
  const at = transform(u, options)
  if (!at) return
  const { ratio } = options
  ctx.save()
  ctx.beginPath()
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
  ctx.clip()
  ctx.lineJoin = 'round'
  const ordered = inOrder(lines, options.baseline)
  const points = lines.reduce((sum, { smooth, raw }) => {
    const [from, to] = inPicture(smooth ?? raw, at.from, at.to)
    return sum + to - from
  }, 0)
  const dense = points > MOST_STROKED_POINTS
  const usual = wide ? 2.5 : 1.5
  ctx.globalAlpha = BAND_ALPHA
  for (const line of ordered) {
    if (!line.low || !line.high) continue
    ctx.fillStyle = colorOf(line, options)
    fillBand(ctx, line.low, line.high, at, u.bbox.top + u.bbox.height)
  }
  ctx.globalAlpha = 1
  const isBaseline = (line: Line) => line.runId === options.baseline
  /** What is drawn of a line, lowest first. */
  const strokes = (line: Line) => {
    const shown = {
      entry: line.smooth ?? line.raw,
      alpha: line.kind === 'member' && !wide ? MEMBER_ALPHA : 1,
      dash: dashOf(line, options).map((n) => n * ratio),
      thickness: (line.kind === 'member' ? 1 : isBaseline(line) ? 3 : dense && !wide ? 1 : usual) * ratio,
    }
    if (!line.smooth || !options.faint || line.kind === 'member') return [shown]
    return [{ entry: line.raw, alpha: RAW_ALPHA, dash: [], thickness: ratio }, shown]
  }
  if (dense) {
    const { left, top } = u.bbox
    const place = {
      x: (value: number) => (at.logX && value <= 0 ? NaN : at.toX(value) - left),
      y: (value: number) => (at.logY && value <= 0 ? NaN : at.toY(value) - top),
    }
    drawDense(ctx, u.bbox, (picture) => {
      for (const line of ordered) {
        const color = colorParts(colorOf(line, options))
        for (const { entry, ...ink } of strokes(line)) {
          const [from, to] = inPicture(entry, at.from, at.to)
          picture.line(entry, from, to, place, { color, ...ink })
        }
      }
    })
  }
  for (const line of ordered) {
    const color = colorOf(line, options)
    ctx.strokeStyle = color
    ctx.fillStyle = color
    if (!dense) {
      for (const { entry, alpha, dash, thickness } of strokes(line)) {
        ctx.globalAlpha = alpha
        ctx.setLineDash(dash)
        ctx.lineWidth = thickness
        trace(ctx, entry, at)
      }
      ctx.globalAlpha = 1
      ctx.setLineDash([])
    }
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
  points: Reading[],
  hovered: string | null,
  options: DrawOptions,
): void {
  ctx.clearRect(0, 0, ctx.canvas.width, ctx.canvas.height)
  const at = transform(u, options)
  if (!at) return
  const lit = hovered === null ? [] : lines.filter((line) => isHovered(line, hovered))
  if (lit.length > 0 && lit.length < lines.length) {
    ctx.globalAlpha = 0.72
    ctx.fillStyle = options.veil
    ctx.fillRect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
    ctx.globalAlpha = 1
    drawLines(ctx, u, lit, options, true)
  }
  ctx.lineWidth = options.ratio
  ctx.strokeStyle = options.veil
  for (const point of points) {
    if (!Number.isFinite(point.value) || (options.log && point.value <= 0)) continue
    if (lit.length > 0 && !lit.includes(point.line)) continue
    const py = at.toY(point.value)
    if (py < u.bbox.top || py > u.bbox.top + u.bbox.height) continue
    ctx.beginPath()
    ctx.arc(at.toX(point.x), py, 3 * options.ratio, 0, 2 * Math.PI)
    ctx.fillStyle = colorOf(point.line, options)
    ctx.fill()
    ctx.stroke()
  }
}
