// The parts of uPlot's options that depend on the axis and the theme.

import type uPlot from 'uplot'
import { PALETTE_TOKENS } from '../design/colors'
import { logSplits, logTick, relativeIncrements, relativeTick, stepTick, valueTicks } from './axis'
import type { Axis } from '../runset/view'
import type { Limits } from './lines'

export interface ChartTheme {
  palette: string[]
  text: string
  /** The colour of the baseline. */
  ink: string
  grid: string
  axis: string
  /** The page's background, which also sets apart a hovered line. */
  veil: string
}

/** Reads the tokens as the canvas needs them. The name only says that they changed. */
export function readTheme(_name: string): ChartTheme {
  const style = getComputedStyle(document.documentElement)
  const token = (name: string) => style.getPropertyValue(name).trim()
  return {
    palette: PALETTE_TOKENS.map(token),
    text: token('--text-muted'),
    ink: token('--text'),
    grid: token('--border'),
    axis: token('--border-strong'),
    veil: token('--bg'),
  }
}

/** Width of the y axis with labels of up to five characters. */
const LEAST_Y_PX = 46

interface Sources {
  x: () => Limits | null
  y: () => Limits | null
}

export function scales(x: Axis, log: boolean, logX: boolean, limits: Sources): uPlot.Scales {
  return {
    x: {
      time: x === 'time',
      distr: logX ? 3 : 1,
      range: () => {
        const at = limits.x()
        if (at) return [at.min, at.max]
        return logX ? [1, 10] : [0, 1]
      },
    },
    y: {
      distr: log ? 3 : 1,
      range: () => {
        const at = limits.y()
        if (at) return [at.min, at.max]
        return log ? [0.1, 10] : [0, 1]
      },
    },
  }
}

export function axes(x: Axis, log: boolean, logX: boolean, theme: ChartTheme): uPlot.Axis[] {
  const look: uPlot.Axis = {
    stroke: theme.text,
    font: '11px "Inter var", Inter, system-ui, sans-serif',
    grid: { stroke: theme.grid, width: 1 },
    ticks: { show: false },
    border: { show: false },
    // Where uPlot would leave out labels of a log axis, and give none for them: ours are few enough.
    filter: (_u, splits) => splits,
  }
  const xAxis: uPlot.Axis = {
    ...look,
    size: 26,
    gap: 4,
    space: 64,
    border: { show: true, stroke: theme.axis, width: 1 },
  }
  if (x === 'step' || typeof x === 'object') xAxis.values = (_u, splits) => splits.map(stepTick)
  if (x === 'relative') {
    xAxis.values = (_u, splits) => splits.map(relativeTick)
    xAxis.incrs = relativeIncrements
  }
  if (x === 'time') xAxis.size = 40
  if (logX) {
    xAxis.splits = (_u, _axis, min, max) => logSplits(min, max)
    if (x !== 'time') xAxis.values = (_u, splits) => splits.map(x === 'relative' ? relativeTick : logTick)
  }
  const yAxis: uPlot.Axis = {
    ...look,
    gap: 5,
    space: 34,
    size: (_u, values) => {
      const longest = Math.max(...(values ?? []).map((value) => value.length), 3)
      // The same for most charts, so that the width of the plot is known before its lines are.
      return Math.max(LEAST_Y_PX, longest * 6.4 + 12)
    },
    values: (_u, splits) => (log ? splits.map(logTick) : valueTicks(splits)),
  }
  if (log) yAxis.splits = (_u, _axis, min, max) => logSplits(min, max)
  return [xAxis, yAxis]
}
