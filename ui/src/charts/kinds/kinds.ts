// The kinds of plots besides lines: what each is called, how it is loaded, and what it shows when it is added.

import ChartColumn from '@lucide/svelte/icons/chart-column'
import ChartCandlestick from '@lucide/svelte/icons/chart-candlestick'
import ChartScatter from '@lucide/svelte/icons/chart-scatter'
import Grid3x3 from '@lucide/svelte/icons/grid-3x3'
import ListOrdered from '@lucide/svelte/icons/list-ordered'
import Waypoints from '@lucide/svelte/icons/waypoints'
import type { ColumnInfo, ColumnRef } from '../../api/types'
import type { Panel, PanelKind } from '../../runset/panels'
import { newPanelId } from '../panel-id'
import type { PanelSet, PanelType } from '../panels'
import { mainMetric, varyingParams } from './values'

const settings = () => import('./KindSettings.svelte')
const param = ({ key }: ColumnInfo): ColumnRef => ({ kind: 'param', key })
const some = (...refs: (ColumnRef | null | undefined)[]) =>
  refs.filter((ref) => ref !== null && ref !== undefined)
const START: ColumnRef = { kind: 'attribute', key: 'start_ms' }
const AXES = 6

const make = (set: PanelSet, kind: PanelKind, refs: ColumnRef[], options?: Panel['options']): Panel => ({
  id: newPanelId(set),
  kind,
  refs,
  options,
})

/** Numbers first: they make a better axis than texts. */
function numericFirst(known: ColumnInfo[]): ColumnInfo[] {
  return varyingParams(known).sort((a, b) => Number(b.numeric) - Number(a.numeric))
}

export const plotKinds: Partial<Record<PanelKind, PanelType>> = {
  scatter: {
    label: 'Scatter plot',
    about: 'One point a run: two numbers against each other.',
    icon: ChartScatter,
    load: () => import('./scatter.svelte'),
    settings,
    create: (set) => {
      const x = varyingParams(set.known).find((column) => column.numeric)
      return make(set, 'scatter', some(x ? param(x) : START, mainMetric(set.known)), { trend: true })
    },
  },
  parallel: {
    label: 'Parallel coordinates',
    about: 'One line a run across params and a metric; brush an axis to see what leads where.',
    icon: Waypoints,
    load: () => import('./parallel.svelte'),
    settings,
    create: (set) =>
      make(
        set,
        'parallel',
        some(
          ...varyingParams(set.known)
            .slice(0, AXES - 1)
            .map(param),
          mainMetric(set.known),
        ),
      ),
  },
  bar: {
    label: 'Bar chart',
    about: 'Metrics of each run, or of each group with an error bar.',
    icon: ChartColumn,
    load: () => import('./bar.svelte'),
    settings,
    create: (set) => make(set, 'bar', some(mainMetric(set.known))),
  },
  box: {
    label: 'Box plot',
    about: 'How a number is spread, by the values of a field.',
    icon: ChartCandlestick,
    load: () => import('./box.svelte'),
    settings,
    create: (set) => {
      const params = varyingParams(set.known)
      const by = params.find((column) => !column.numeric) ?? params[0]
      const metric = mainMetric(set.known)
      return make(
        set,
        'box',
        metric ? some(metric, by && set.view.group.length === 0 ? param(by) : null) : [],
      )
    },
  },
  heat: {
    label: 'Heat map',
    about: 'Two params against a metric: the mean in each cell.',
    icon: Grid3x3,
    load: () => import('./heat.svelte'),
    settings,
    create: (set) => {
      const [x, y] = numericFirst(set.known)
      const metric = mainMetric(set.known)
      return make(set, 'heat', x && y && metric ? [param(x), param(y), metric] : [])
    },
  },
  importance: {
    label: 'Param importance',
    about: 'Which params decide a metric.',
    icon: ListOrdered,
    load: () => import('./importance.svelte'),
    settings,
    create: (set) => make(set, 'importance', some(mainMetric(set.known))),
  },
}
