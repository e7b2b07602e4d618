// What each kind lets choose, as data: one form shows it for all of them.

import type { ColumnKind } from '../../api/types'
import type { PanelKind } from '../../runset/panels'

/** A column that is chosen: at a place of the panel's `refs`, or under a name of its options. */
export interface Slot {
  label: string
  at: number | string
  kinds?: ColumnKind[]
  optional?: boolean
}

/** Something that is on or off, or one of several. */
export interface Choice {
  option: string
  label: string
  /** Values and their names; absent: a switch. */
  choices?: [string, string][]
}

export interface KindForm {
  slots: Slot[]
  /** Columns are added and taken away. */
  list?: boolean
  choices: Choice[]
}

const NUMBERS: ColumnKind[] = ['metric', 'param', 'attribute']

export const FORMS: Partial<Record<PanelKind, KindForm>> = {
  scatter: {
    slots: [
      { label: 'X', at: 0, kinds: NUMBERS },
      { label: 'Y', at: 1, kinds: NUMBERS },
      { label: 'Colour', at: 'colour', optional: true },
      { label: 'Size', at: 'size', kinds: NUMBERS, optional: true },
    ],
    choices: [
      { option: 'logX', label: 'Log x' },
      { option: 'logY', label: 'Log y' },
      { option: 'trend', label: 'Trend line' },
    ],
  },
  parallel: { slots: [], list: true, choices: [] },
  bar: {
    slots: [],
    list: true,
    choices: [
      {
        option: 'error',
        label: 'Error bars',
        choices: [
          ['std', 'standard deviation'],
          ['stderr', 'standard error'],
          ['minmax', 'least to most'],
          ['none', 'none'],
        ],
      },
    ],
  },
  box: {
    slots: [
      { label: 'Value', at: 0, kinds: NUMBERS },
      { label: 'By', at: 1, kinds: ['param', 'attribute', 'tag'], optional: true },
    ],
    choices: [{ option: 'logY', label: 'Log scale' }],
  },
  heat: {
    slots: [
      { label: 'X', at: 0, kinds: ['param', 'metric', 'attribute', 'tag'] },
      { label: 'Y', at: 1, kinds: ['param', 'metric', 'attribute', 'tag'] },
      { label: 'Colour', at: 2, kinds: NUMBERS },
    ],
    choices: [
      { option: 'logX', label: 'Log x' },
      { option: 'logY', label: 'Log y' },
      {
        option: 'bins',
        label: 'Cells',
        choices: [
          ['8', '8 each way'],
          ['12', '12 each way'],
          ['20', '20 each way'],
          ['40', '40 each way'],
        ],
      },
    ],
  },
  importance: {
    slots: [{ label: 'Explain', at: 0, kinds: ['metric'] }],
    choices: [{ option: 'metrics', label: 'Metrics too' }],
  },
  confusion: { slots: [], choices: [{ option: 'normalise', label: 'Parts of each row' }] },
  curve: {
    slots: [],
    choices: [
      {
        option: 'curve',
        label: 'Curve',
        choices: [
          ['roc', 'ROC'],
          ['pr', 'precision and recall'],
        ],
      },
    ],
  },
  histogram: { slots: [], choices: [{ option: 'offset', label: 'One row per step' }] },
  images: {
    slots: [],
    choices: [
      {
        option: 'size',
        label: 'Size',
        choices: [
          ['96', 'small'],
          ['160', 'medium'],
          ['256', 'large'],
        ],
      },
    ],
  },
  rows: { slots: [], choices: [] },
}
