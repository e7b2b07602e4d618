// The binary answers of POST /series and /series/batch: little endian, every array aligned to eight bytes, so that
// the arrays are views into one buffer and nothing is copied or parsed.

export const SERIES_MAGIC = 0x31504c53
export const FRAME_MAGIC = 0x42504c53
const HEADER_BYTES = 64
const FRAME_HEADER_BYTES = 16
const STATUS_FAILED = 1
const STATUS_FIRST = 2
const FLAG_THINNED = 1
const FLAG_LACKS_X = 4
const FLAG_SAMPLED = 8

const ROLES = ['raw', 'smooth', 'low', 'high', 'members', 'fences'] as const
/** What an entry is: a line, an edge of a group's band, the number of its members, or where outliers begin. */
export type SeriesRole = (typeof ROLES)[number]

export interface SeriesEntry {
  /** Which of the requested series, and then groups, this belongs to. */
  request: number
  role: SeriesRole
  thinned: boolean
  /** The run has the metric, but not the one that is the x axis. */
  lacksX: boolean
  /** Members of a group were not compared at every x. */
  sampled: boolean
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
    const flags = view.getUint32(at + 12, true)
    const role = ROLES[view.getUint32(at + 4, true)]
    const bytes = points * 8
    if (offset + 2 * bytes > buffer.byteLength) {
      throw new SeriesFormatError(`the series answer ends within entry ${i} of ${count}`)
    }
    if (!role) throw new SeriesFormatError(`entry ${i} of the series answer has an unknown role`)
    entries.push({
      request: view.getUint32(at, true),
      role,
      thinned: (flags & FLAG_THINNED) !== 0,
      lacksX: (flags & FLAG_LACKS_X) !== 0,
      sampled: (flags & FLAG_SAMPLED) !== 0,
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

export interface Frame {
  /** Number of the request that this answers. */
  request: number
  /** The body is an error as JSON. */
  failed: boolean
  /** A first picture; the answer follows. */
  first: boolean
  body: ArrayBuffer
}

/** Puts the frames of a batch together from pieces of any size. */
export class FrameReader {
  private header = new Uint8Array(FRAME_HEADER_BYTES)
  private headerFilled = 0
  private body: Uint8Array | null = null
  private bodyFilled = 0

  /** The frames that this piece completes. */
  push(piece: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let at = 0
    const take = (into: Uint8Array, filled: number) => {
      const part = piece.subarray(at, at + into.length - filled)
      into.set(part, filled)
      at += part.length
      return filled + part.length
    }
    while (at < piece.length || (this.body && this.bodyFilled === this.body.length)) {
      if (!this.body) {
        this.headerFilled = take(this.header, this.headerFilled)
        if (this.headerFilled < FRAME_HEADER_BYTES) break
        this.body = new Uint8Array(this.field(3))
        this.bodyFilled = 0
        if (this.field(0) !== FRAME_MAGIC) throw new SeriesFormatError('a frame does not start with SLPB')
      }
      this.bodyFilled = take(this.body, this.bodyFilled)
      if (this.bodyFilled < this.body.length) break
      frames.push({
        request: this.field(1),
        failed: this.field(2) === STATUS_FAILED,
        first: this.field(2) === STATUS_FIRST,
        body: this.body.buffer as ArrayBuffer,
      })
      this.body = null
      this.headerFilled = 0
    }
    return frames
  }

  /** True between two frames. */
  get complete(): boolean {
    return this.headerFilled === 0
  }

  private field(index: number): number {
    return new DataView(this.header.buffer).getUint32(index * 4, true)
  }
}
