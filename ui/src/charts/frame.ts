// What a frame can do with its chart; the grid says which of it applies.

export interface FrameActions {
  /** The chart has the whole window. */
  full: boolean
  /** Opens the chart on the whole window, or leaves it. */
  onfull: () => void
  /** Moves the chart among those of its section. */
  onmove?: (by: number) => void
  /** Begins to drag the chart. */
  ondrag?: (event: PointerEvent) => void
  /** Shows the chart before or after this one, on the whole window. */
  onstep?: (by: number) => void
  onremove?: () => void
}
