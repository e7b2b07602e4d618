// The lines of parallel coordinates, a part at a time, so that 10,000 of them do not hold up the page.

export interface Lines {
  /** Where each axis stands. */
  xs: readonly number[]
  /** The pixel of each row on each axis; NaN where it has no place. */
  ys: readonly Float64Array[]
  /** Rows in the order in which they are drawn: the last ones lie on top. */
  order: readonly number[]
  isFaint: (row: number) => boolean
  colourOf: (row: number) => string
  /** Lines that are not faint: the more, the fainter each. */
  count: number
  faint: string
}

const AT_ONCE = 1500

/** Gives what stops it. */
export function drawLines(context: CanvasRenderingContext2D, lines: Lines): () => void {
  const { xs, ys, order } = lines
  const alpha = Math.min(0.85, Math.max(0.12, 14 / Math.sqrt(Math.max(1, lines.count))))
  context.lineJoin = 'round'
  let next = 0
  let frame = 0

  function some() {
    const end = Math.min(order.length, next + AT_ONCE)
    for (; next < end; next++) {
      const row = order[next] ?? 0
      const faint = lines.isFaint(row)
      context.globalAlpha = faint ? 0.06 : alpha
      context.strokeStyle = faint ? lines.faint : lines.colourOf(row)
      context.lineWidth = faint ? 1 : 1.25
      context.beginPath()
      let pen = false
      for (let i = 0; i < xs.length; i++) {
        const y = ys[i]?.[row] ?? NaN
        if (Number.isNaN(y)) continue
        if (pen) context.lineTo(xs[i] ?? 0, y)
        else context.moveTo(xs[i] ?? 0, y)
        pen = true
      }
      context.stroke()
    }
    if (next < order.length) frame = requestAnimationFrame(some)
  }
  some()
  return () => cancelAnimationFrame(frame)
}
