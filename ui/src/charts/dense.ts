// Lines with more points than the picture has columns of pixels. What such a line covers in a column is one stretch from
// its lowest to its highest point there: filling in these pixels takes a small part of the time that stroking the line
// takes without a graphics card, and looks the same. Ends are as opaque as the part of the pixel that is covered.

import type { SeriesEntry } from '../api/series'

/** Where a value stands in the picture, in its pixels; NaN for what has no place. */
export interface Place {
  x: (value: number) => number
  y: (value: number) => number
}

/** How a line looks. */
export interface Ink {
  /** Red, green, blue, opacity: 0 to 255. */
  color: readonly [number, number, number, number]
  /** 0 to 1. */
  alpha: number
  /** Pixels. */
  thickness: number
  /** Columns drawn and columns left out, in turn; nothing for a solid line. */
  dash: readonly number[]
}

/** Pixels of a picture with nothing behind, as `ImageData` has them. */
export class DensePicture {
  readonly pixels: Uint8ClampedArray<ArrayBuffer>
  /** The same, a number a pixel. */
  private readonly whole: Uint32Array
  /** Of the line that is being added: from where to where it goes in each column. */
  private readonly low: Float32Array
  private readonly high: Float32Array

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint8ClampedArray(width * height * 4)
    this.whole = new Uint32Array(this.pixels.buffer)
    this.low = new Float32Array(width)
    this.high = new Float32Array(width)
  }

  clear(): void {
    this.whole.fill(0)
  }

  /** Draws the points from `from` to before `to`, whose x must not go back, above what is there. */
  line(points: SeriesEntry, from: number, to: number, place: Place, ink: Ink): void {
    this.low.fill(Infinity)
    this.high.fill(-Infinity)
    this.cover(points, from, to, place)
    if (ink.thickness > 1.5) this.widen(Math.floor((ink.thickness - 1) / 2))
    this.fill(ink)
  }

  /** Notes what a line covers in each column. */
  private cover({ x: xs, y: ys }: SeriesEntry, from: number, to: number, place: Place): void {
    const { width, low, high } = this
    const touch = (column: number, y: number) => {
      if (column < 0 || column >= width) return
      if (y < (low[column] ?? 0)) low[column] = y
      if (y > (high[column] ?? 0)) high[column] = y
    }
    let lastX = NaN
    let lastY = NaN
    for (let i = from; i < to; i++) {
      const x = place.x(xs[i] ?? NaN)
      const y = place.y(ys[i] ?? NaN)
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        lastX = NaN
        continue
      }
      const column = Math.floor(x)
      touch(column, y)
      const before = Math.floor(lastX)
      if (before < column) {
        // Through every column in between, and up to the edges of both.
        const slope = (y - lastY) / (x - lastX)
        const end = Math.min(column, width)
        for (let edge = Math.max(before + 1, 0); edge <= end; edge++) {
          const at = lastY + (edge - lastX) * slope
          touch(edge - 1, at)
          touch(edge, at)
        }
      }
      lastX = x
      lastY = y
    }
  }

  /** Makes a line thicker sideways, as far as its neighbours reach. */
  private widen(by: number): void {
    const { width } = this
    const low = this.low.slice()
    const high = this.high.slice()
    for (let column = 0; column < width; column++) {
      const end = Math.min(width, column + by + 1)
      for (let near = Math.max(0, column - by); near < end; near++) {
        const [bottom, top] = [low[near] ?? Infinity, high[near] ?? -Infinity]
        if (bottom < (this.low[column] ?? 0)) this.low[column] = bottom
        if (top > (this.high[column] ?? 0)) this.high[column] = top
      }
    }
  }

  private fill({ color, alpha, thickness, dash }: Ink): void {
    const { width, height, low, high, whole } = this
    const [red, green, blue, opacity] = color
    const most = (opacity / 255) * alpha
    const half = thickness / 2
    const period = dash.reduce((sum, part) => sum + part, 0)
    const opaque = new Uint32Array(new Uint8ClampedArray([red, green, blue, 255]).buffer)[0] ?? 0
    for (let column = 0; column < width; column++) {
      const top = Math.max(0, (low[column] ?? 0) - half)
      const bottom = Math.min(height, (high[column] ?? 0) + half)
      if (!(top < bottom) || (period > 0 && isGap(dash, column % period))) continue
      const first = Math.ceil(top)
      const last = Math.floor(bottom)
      const at = (row: number) => row * width + column
      if (first > last) {
        this.blend(at(last), color, (bottom - top) * most)
        continue
      }
      if (first > top) this.blend(at(first - 1), color, (first - top) * most)
      const end = at(last)
      if (most === 1) for (let i = at(first); i < end; i += width) whole[i] = opaque
      else for (let i = at(first); i < end; i += width) this.blend(i, color, most)
      if (bottom > last) this.blend(end, color, (bottom - last) * most)
    }
  }

  /** Puts a colour over a pixel; `share` says how much of it, from 0 to 1. */
  private blend(pixel: number, [red, green, blue]: Ink['color'], share: number): void {
    const { pixels } = this
    const i = pixel * 4
    const behind = ((pixels[i + 3] ?? 0) / 255) * (1 - share)
    const sum = share + behind
    pixels[i] = (red * share + (pixels[i] ?? 0) * behind) / sum
    pixels[i + 1] = (green * share + (pixels[i + 1] ?? 0) * behind) / sum
    pixels[i + 2] = (blue * share + (pixels[i + 2] ?? 0) * behind) / sum
    pixels[i + 3] = sum * 255
  }
}

/** Whether a place within a dash pattern is left out. */
function isGap(dash: readonly number[], at: number): boolean {
  let end = 0
  for (let i = 0; i < dash.length; i++) {
    end += dash[i] ?? 0
    if (at < end) return i % 2 === 1
  }
  return false
}

const colors = new Map<string, readonly [number, number, number, number]>()
let probe: CanvasRenderingContext2D | null = null

/** The numbers behind a CSS colour. */
export function colorParts(css: string): readonly [number, number, number, number] {
  const known = colors.get(css)
  if (known) return known
  probe ??= canvas(1, 1).getContext('2d', { willReadFrequently: true })
  if (!probe) return [128, 128, 128, 255]
  probe.clearRect(0, 0, 1, 1)
  probe.fillStyle = css
  probe.fillRect(0, 0, 1, 1)
  const [red = 0, green = 0, blue = 0, opacity = 255] = probe.getImageData(0, 0, 1, 1).data
  const parts = [red, green, blue, opacity] as const
  colors.set(css, parts)
  return parts
}

function canvas(width: number, height: number): HTMLCanvasElement {
  const made = document.createElement('canvas')
  made.width = width
  made.height = height
  return made
}

let shared: { picture: DensePicture; sheet: HTMLCanvasElement } | null = null

/** Draws lines that `add` puts into an empty picture onto a canvas. The picture is shared by all charts. */
export function drawDense(
  ctx: CanvasRenderingContext2D,
  box: { left: number; top: number; width: number; height: number },
  add: (picture: DensePicture) => void,
): void {
  const width = Math.ceil(box.width)
  const height = Math.ceil(box.height)
  if (width < 1 || height < 1) return
  if (shared?.picture.width !== width || shared.picture.height !== height)
    shared = { picture: new DensePicture(width, height), sheet: canvas(width, height) }
  const { picture, sheet } = shared
  picture.clear()
  add(picture)
  // Putting pixels replaces what is there: they go over the chart's axes by way of a sheet of their own.
  const on = sheet.getContext('2d', { willReadFrequently: true })
  if (!on) return
  on.putImageData(new ImageData(picture.pixels, width, height), 0, 0)
  ctx.drawImage(sheet, Math.round(box.left), Math.round(box.top))
}
