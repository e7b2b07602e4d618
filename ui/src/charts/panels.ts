// The kinds of charts that can be added, and what each of them is given to draw. A new kind is one entry here and
// one component in `kinds/`, which is loaded when the first chart of its kind is shown.

import type { Component } from 'svelte'
import type { ColumnInfo, ColumnRef, TableRequest } from '../api/types'
import type { Panel, PanelKind, PanelSettings } from '../runset/panels'
import type { RunsView } from '../runset/view'
import { plotKinds } from './kinds/kinds'
import type { KindHandle } from './kinds/plot'
import type { ChartGroup, ChartRun } from './group.svelte'

/** The run set as charts see it. */
export interface PanelSet {
  /** The question that gives the runs of the table; add columns, shape and page to it. */
  query: TableRequest
  /** The visible runs, in the order of the table. */
  runs: ChartRun[]
  group: ChartGroup
  /** The columns that runs in scope carry. */
  known: ColumnInfo[]
  view: RunsView
  openRun: (runId: string) => void
  /** Makes the run set's filter stricter; absent where there is no filter. */
  narrow?: (filter: string) => void
  /** Shows a column in the table; absent where there is no table. */
  addColumn?: (ref: ColumnRef) => void
}

export interface PanelProps {
  panel: Panel
  settings: PanelSettings
  set: PanelSet
  /** Pixels there are for the chart, below its title. */
  height: number
  /** On the whole window. */
  full: boolean
  /** Keeps a changed panel in the run set. */
  onchange: (panel: Panel) => void
}

export interface PanelType {
  label: string
  /** One sentence for the dialog that adds charts. */
  about: string
  icon: Component<{ size?: number | string; strokeWidth?: number | string }>
  /** Absent for lines, which the grid draws itself. */
  load?: () => Promise<{ default: Component<PanelProps, KindHandle> }>
  /** A component with the settings that only this kind has, shown in the popover beside the chart. */
  settings?: () => Promise<{ default: Component<PanelProps> }>
  /** A panel that shows something sensible for these runs. */
  create: (set: PanelSet) => Panel
}

export const registry: Partial<Record<PanelKind, PanelType>> = { ...plotKinds }
