// The run set as a document that people read and edit: what a saved view's file holds. Only what is not as usual is in
// it; columns are written by name; experiments too, since their ids differ from machine to machine.

import type { ColumnRef } from '../api/types'
import { DEFAULT_VIEW, defaultWidth, parseView, printView, type Column, type RunsView } from './view'

export type Document = Record<string, unknown>
/** Experiments by id, to and from names. */
export interface Names {
  experiment_id: string
  name: string
}

const REFS: (keyof RunsView)[] = ['group', 'colour', 'columns', 'sort', 'panels']

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** `{ metric: val_loss, reduce: min }` */
function printRef(ref: ColumnRef): Document {
  const { kind, key, ...rest } = ref
  const said = Object.fromEntries(
    Object.entries(rest).filter(
      ([name, value]) => value !== null && !(name === 'reduce' && value === 'last'),
    ),
  )
  return { [kind]: key, ...said }
}

const KINDS = ['metric', 'param', 'tag', 'attribute'] as const

function parseRef(value: unknown): ColumnRef | null {
  if (!isObject(value)) return null
  const kind = KINDS.find((name) => typeof value[name] === 'string')
  if (!kind) return null
  const ref: Record<string, unknown> = { kind, key: value[kind] }
  if (kind === 'metric') {
    ref.reduce = typeof value.reduce === 'string' ? value.reduce : 'last'
    if (typeof value.step === 'number') ref.step = value.step
  }
  return ref as unknown as ColumnRef
}

const refs = (value: unknown) =>
  (Array.isArray(value) ? value : []).map(parseRef).filter((ref) => ref !== null)

export function toDocument(view: RunsView, names: Names[]): Document {
  const document: Document = {}
  for (const key of Object.keys(DEFAULT_VIEW) as (keyof RunsView)[]) {
    const value = view[key]
    if (JSON.stringify(value) === JSON.stringify(DEFAULT_VIEW[key]) || REFS.includes(key)) continue
    document[snake(key)] = value
  }
  if (view.experiments.length > 0)
    document.experiments = view.experiments.map(
      (id) => names.find((experiment) => experiment.experiment_id === id)?.name ?? id,
    )
  if (view.sort.length > 0)
    document.sort = view.sort.map(({ column, descending }) => ({
      ...printRef(column),
      ...(descending ? { descending: true } : {}),
    }))
  if (view.columns)
    document.columns = view.columns.map(({ ref, width, pinned }) => ({
      ...printRef(ref),
      ...(width === defaultWidth(ref) ? {} : { width: Math.round(width) }),
      ...(pinned ? { pinned: true } : {}),
    }))
  if (view.group.length > 0) document.group = view.group.map(printRef)
  if (view.colour) document.colour = printRef(view.colour)
  if (view.panels.length > 0)
    document.panels = view.panels.map((panel) => ({ ...panel, refs: panel.refs.map(printRef) }))
  return document
}

/** Reads what fits and leaves out what does not: a file can be edited by hand, or come from a newer program. */
export function fromDocument(document: Document, names: Names[]): RunsView {
  const view: Record<string, unknown> = { ...DEFAULT_VIEW }
  for (const key of Object.keys(DEFAULT_VIEW) as (keyof RunsView)[]) {
    const value = document[snake(key)]
    const usual = DEFAULT_VIEW[key]
    if (value === undefined || value === null || REFS.includes(key)) continue
    const fits =
      key === 'x'
        ? typeof value === 'string' || (isObject(value) && typeof value.metric === 'string')
        : Array.isArray(usual)
          ? Array.isArray(value) && value.every((item) => typeof item === 'string')
          : key === 'baseline'
            ? typeof value === 'string'
            : typeof value === typeof usual && !Array.isArray(value)
    if (fits) view[key] = value
  }
  view.experiments = (view.experiments as string[]).map(
    (name) =>
      names.find((experiment) => experiment.name === name)?.experiment_id ??
      names.find((experiment) => experiment.experiment_id === name)?.experiment_id ??
      name,
  )
  view.group = refs(document.group)
  view.colour = parseRef(document.colour)
  if (Array.isArray(document.sort))
    view.sort = document.sort.flatMap((item: unknown) => {
      const column = parseRef(item)
      return column ? [{ column, descending: isObject(item) && item.descending === true }] : []
    })
  if (Array.isArray(document.columns))
    view.columns = document.columns.flatMap((item: unknown): Column[] => {
      const ref = parseRef(item)
      if (!ref || !isObject(item)) return []
      const width = typeof item.width === 'number' ? item.width : defaultWidth(ref)
      return [{ ref, width, pinned: item.pinned === true }]
    })
  if (Array.isArray(document.panels))
    view.panels = document.panels.flatMap((panel: unknown) =>
      isObject(panel) ? [{ ...panel, refs: refs(panel.refs) } as unknown as RunsView['panels'][number]] : [],
    )
  // The address's reader knows the limits of every field.
  return parseView(printView(view as unknown as RunsView))
}

/** Fields of a file that no run set has: they are kept when it is saved. */
export function unknownFields(document: Document): Document {
  const known = new Set(['version', 'name', ...Object.keys(DEFAULT_VIEW).map(snake)])
  return Object.fromEntries(Object.entries(document).filter(([key]) => !known.has(key)))
}

/** Equal texts for views that show the same. */
export const fingerprint = (view: RunsView): string => JSON.stringify(printView(view))
