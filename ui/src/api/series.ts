// The binary answer of POST /series: little endian, every array aligned to eight bytes, so that the arrays
// are views into the one buffer and nothing is copied or parsed.

export const SERIES_MAGIC = 0x31504c53
const HEADER_BYTES = 64
const FLAG_THINNED = 1

export interface SeriesEntry {
  /** Which of the requested series this belongs to. */
  request: number
  smoothed: boolean
  thinned: boolean
  /** Points in the range before thinning. */
  total: number
  /** Limits of x over the whole series, whatever the range; NaN when it is empty. */
  xMin: number
  xMax: number
  /** Limits over the finite points in the range; NaN when there are none. */
  yMin: number
  yMax: number
  nonFinite: number
  x: Float64Array
  y: Float64Array
}

export class SeriesFormatError extends Error {}

export function decodeSeries(buffer: ArrayBuffer): SeriesEntry[] {
  if (buffer.byteLength < 8)
    throw new SeriesFormatError(`the series answer has only ${buffer.byteLength} bytes`)
  const view = new DataView(buffer)
  const magic = view.getUint32(0, true)
  if (magic !== SERIES_MAGIC) {
    throw new SeriesFormatError(`the series answer starts with 0x${magic.toString(16)}, not with SLP1`)
  }
  const count = view.getUint32(4, true)
  let offset = 8 + count * HEADER_BYTES
  if (offset > buffer.byteLength) throw new SeriesFormatError('the series answer ends within its headers')

  const entries: SeriesEntry[] = []
  for (let i = 0; i < count; i++) {
    const at = 8 + i * HEADER_BYTES
    const points = view.getUint32(at + 8, true)
    const bytes = points * 8
    if (offset + 2 * bytes > buffer.byteLength) {
      throw new SeriesFormatError(`the series answer ends within entry ${i} of ${count}`)
    }
    entries.push({
      request: view.getUint32(at, true),
      smoothed: view.getUint32(at + 4, true) === 1,
      thinned: (view.getUint32(at + 12, true) & FLAG_THINNED) !== 0,
      total: view.getFloat64(at + 16, true),
      xMin: view.getFloat64(at + 24, true),
      xMax: view.getFloat64(at + 32, true),
      yMin: view.getFloat64(at + 40, true),
      yMax: view.getFloat64(at + 48, true),
      nonFinite: view.getUint32(at + 56, true),
      x: new Float64Array(buffer, offset, points),
      y: new Float64Array(buffer, offset + bytes, points),
    })
    offset += 2 * bytes
  }
  return entries
}
