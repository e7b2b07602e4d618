// Groups of runs: what they are called, and the id that gives each of them its colour everywhere.

import type { CellValue } from '../api/types'

/** Of the values that the members share, in the order of the fields they are grouped by. */
export const groupId = (values: (CellValue | null)[]): string => `group:${JSON.stringify(values)}`

export const groupName = (values: (CellValue | null)[]): string =>
  values.map((value) => (value === null ? 'none' : String(value))).join(', ')
