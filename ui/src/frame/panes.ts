// F6 goes round the panes of the window, as in every desktop program.

const FOCUSABLE = 'a[href], button:not([disabled]), input, select, textarea, [tabindex="0"]'

export function moveToPane(by: 1 | -1): void {
  const panes = [...document.querySelectorAll<HTMLElement>('[data-pane]')].filter(
    // A pane that only holds other panes is not a stop of its own.
    (pane) => pane.querySelector('[data-pane]') === null && pane.querySelector(FOCUSABLE) !== null,
  )
  if (panes.length === 0) return
  const here = panes.findIndex((pane) => pane.contains(document.activeElement))
  const next = panes[(here + by + panes.length) % panes.length]
  const target =
    next?.querySelector<HTMLElement>('[role=gridcell][tabindex="0"]') ??
    next?.querySelector<HTMLElement>(FOCUSABLE)
  target?.focus()
}
