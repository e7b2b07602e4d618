// Ids of the charts that somebody adds.

import type { RunsView } from '../runset/view'

/** An id that no panel of the view has. */
export function newPanelId(set: { view: RunsView }): string {
  const taken = new Set(set.view.panels.map((panel) => panel.id))
  for (let number = taken.size + 1; ; number++) {
    const id = `p${number}`
    if (!taken.has(id)) return id
  }
}
