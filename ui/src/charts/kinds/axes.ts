// Axes of ECharts in the look of the other charts.

import { formatNumber } from '../../design/format'
import { logTick } from '../axis'
import type { Paint } from './paint.svelte'
import { shortLabel } from './values'

const FONT_PX = 11

/** The font of everything that ECharts writes. */
export const font = (colours: Paint) => ({
  fontFamily: getComputedStyle(document.body).fontFamily,
  fontSize: FONT_PX,
  color: colours.muted,
})

interface ValueAxis {
  colours: Paint
  name?: string
  vertical?: boolean
  log?: boolean
  limits?: [number, number] | null
  text?: (value: number) => string
}

export function valueAxis({ colours, name, vertical, log, limits, text }: ValueAxis): object {
  return {
    type: log ? 'log' : 'value',
    min: limits?.[0],
    max: limits?.[1],
    scale: true,
    name: name ? shortLabel(name, vertical ? 30 : 48) : undefined,
    nameLocation: 'middle',
    nameGap: vertical ? 48 : 24,
    nameTextStyle: font(colours),
    splitNumber: 5,
    axisLabel: {
      ...font(colours),
      hideOverlap: true,
      showMinLabel: limits ? false : undefined,
      showMaxLabel: limits ? false : undefined,
      formatter: text ?? (log ? logTick : formatNumber),
    },
    axisLine: { show: !vertical, lineStyle: { color: colours.axis } },
    axisTick: { show: false },
    minorSplitLine: { show: false },
    splitLine: { lineStyle: { color: colours.border, width: 1 } },
  }
}

export function categoryAxis(
  colours: Paint,
  labels: string[],
  name?: string,
  vertical = false,
  lines = 1,
): object {
  return {
    type: 'category',
    data: labels,
    name: name ? shortLabel(name, vertical ? 30 : 48) : undefined,
    nameLocation: 'middle',
    nameGap: vertical ? 74 : 10 + 14 * lines,
    nameTextStyle: font(colours),
    axisLabel: {
      ...font(colours),
      hideOverlap: true,
      lineHeight: 14,
      formatter: (text: string) =>
        text
          .split('\n')
          .map((line) => shortLabel(line, vertical ? 13 : 16))
          .join('\n'),
    },
    axisLine: { lineStyle: { color: colours.axis } },
    axisTick: { show: false },
    splitLine: { show: false },
  }
}

/** Room around the drawing for the axes. */
export const GRID = { left: 62, right: 14, top: 8, bottom: 42 }

export const STILL = { animation: false, backgroundColor: 'transparent' }
