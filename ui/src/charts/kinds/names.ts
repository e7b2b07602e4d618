// Names of runs that somebody points at, beyond those that are in the charts: asked for in one go, remembered.

import { SvelteMap } from 'svelte/reactivity'
import { api } from '../../api/client'
import { debounce } from '../../app/throttle'
import type { PanelSet } from '../panels'

const MOST = 500
const WAIT_MS = 40
const known = new SvelteMap<string, string>()
const wanted = new Set<string>()

const fetchWanted = debounce((set: PanelSet) => {
  const ids = [...wanted].slice(0, MOST)
  wanted.clear()
  const quoted = ids.map((id) => `'${id.replaceAll("'", '')}'`).join(', ')
  const query = { experiment_ids: set.query.experiment_ids, filter: `attributes.run_id IN (${quoted})` }
  api.table({ ...query, view: 'all', columns: [], shape: { kind: 'flat' }, limit: MOST }).then(
    ({ rows }) => {
      for (const row of rows) known.set(row.run_id, row.name)
    },
    () => {
      // The id stands in; the next time somebody points at the run, it is asked for again.
    },
  )
}, WAIT_MS)

/** The name of a run, or its id until the name is here. */
export function runName(set: PanelSet, runId: string): string {
  const run = set.runs.find((other) => other.runId === runId)
  if (run) return run.name
  const name = known.get(runId)
  if (name !== undefined) return name
  wanted.add(runId)
  fetchWanted(set)
  return runId
}
