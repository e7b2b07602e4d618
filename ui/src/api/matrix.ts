// The binary answer of POST /runs/matrix: values of columns for many runs, as views into one buffer.

export const MATRIX_MAGIC = 0x314d4c53

/** What stands before the numbers, as the server writes it. */
interface Head {
  matching: number
  run_count: number
  columns: { texts?: string[]; text_count: number; missing: number; not_finite: number }[]
}

export interface MatrixColumn {
  /** NaN where a run has no value. For texts: places in `texts`. */
  values: Float64Array
  /** The different texts in order; null for numbers. */
  texts: string[] | null
  /** Different texts, also those that were left out of `texts`. */
  textCount: number
  missing: number
  notFinite: number
}

export interface Matrix {
  runIds: string[]
  /** Runs that match, of which `runIds` are the first. */
  matching: number
  columns: MatrixColumn[]
}

export class MatrixFormatError extends Error {}

export function decodeMatrix(buffer: ArrayBuffer): Matrix {
  const view = new DataView(buffer)
  if (buffer.byteLength < 16 || view.getUint32(0, true) !== MATRIX_MAGIC)
    throw new MatrixFormatError('the answer is not a matrix')
  const headBytes = view.getUint32(4, true)
  const idBytes = view.getUint32(8, true)
  const text = (at: number, length: number) => new TextDecoder().decode(new Uint8Array(buffer, at, length))
  if (16 + headBytes + idBytes > buffer.byteLength)
    throw new MatrixFormatError('the matrix ends within its head')
  const head = JSON.parse(text(16, headBytes)) as Head
  let at = 16 + headBytes
  const expected = at + head.columns.length * head.run_count * 8 + idBytes
  if (expected !== buffer.byteLength)
    throw new MatrixFormatError(`the matrix has ${buffer.byteLength} bytes, not ${expected}`)
  const columns = head.columns.map((column) => {
    const values = new Float64Array(buffer, at, head.run_count)
    at += head.run_count * 8
    return {
      values,
      texts: column.texts ?? null,
      textCount: column.text_count,
      missing: column.missing,
      notFinite: column.not_finite,
    }
  })
  const runIds = head.run_count === 0 ? [] : text(at, idBytes).split('\n')
  return { runIds, matching: head.matching, columns }
}

/** The same matrix without some runs. */
export function withoutRuns(matrix: Matrix, left: ReadonlySet<string>): Matrix {
  if (left.size === 0) return matrix
  const kept = matrix.runIds.flatMap((id, i) => (left.has(id) ? [] : [i]))
  if (kept.length === matrix.runIds.length) return matrix
  return {
    runIds: kept.map((i) => matrix.runIds[i] ?? ''),
    matching: matrix.matching,
    columns: matrix.columns.map((column) => ({
      ...column,
      values: Float64Array.from(kept, (i) => column.values[i] ?? NaN),
    })),
  }
}
