// Dragging a chart to the place of another one in its section.

const BEGIN_PX = 6

export class ChartDrag {
  /** The chart that is dragged, once it has moved far enough to be no click. */
  dragged = $state<string | null>(null)
  /** The chart under the pointer. */
  over = $state<string | null>(null)

  begin(event: PointerEvent, id: string, section: string, drop: (over: string) => void): void {
    const target = event.target as HTMLElement
    if (event.button !== 0 || target.closest('button, a, input, select')) return
    const from = { x: event.clientX, y: event.clientY }
    const stop = new AbortController()
    const options = { signal: stop.signal }
    const end = () => {
      stop.abort()
      this.dragged = null
      this.over = null
    }
    addEventListener(
      'pointermove',
      (move) => {
        if (!this.dragged && Math.hypot(move.clientX - from.x, move.clientY - from.y) < BEGIN_PX) return
        this.dragged = id
        move.preventDefault()
        const cell = document
          .elementFromPoint(move.clientX, move.clientY)
          ?.closest<HTMLElement>('[data-chart]')
        const other = cell?.dataset.section === section ? cell.dataset.chart : undefined
        this.over = other && other !== id ? other : null
      },
      options,
    )
    addEventListener(
      'pointerup',
      () => {
        if (this.dragged && this.over) drop(this.over)
        end()
      },
      options,
    )
    addEventListener('pointercancel', end, options)
    addEventListener('blur', end, options)
    addEventListener(
      'keydown',
      (key) => {
        if (key.key === 'Escape' && this.dragged) end()
      },
      options,
    )
  }
}
