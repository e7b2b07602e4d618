// The comparison: which runs, what of them, and the windows of it that were fetched so far.

import { untrack } from 'svelte'
import { api, describe, isAbort } from '../../api/client'
import { live } from '../../api/live.svelte'
import type { Comparison, CompareRequest, CompareRow, CompareSection, ComparedRun } from '../../api/types'
import { router } from '../../app/router.svelte'
import { throttle } from '../../app/throttle'

export const SECTIONS: { section: CompareSection; label: string }[] = [
  { section: 'params', label: 'Params' },
  { section: 'metrics', label: 'Metrics' },
  { section: 'tags', label: 'Tags' },
  { section: 'environment', label: 'Environment' },
  { section: 'code', label: 'Code' },
  { section: 'data', label: 'Data' },
]
export const REDUCERS = ['best', 'last', 'min', 'max', 'first'] as const
export type Reducer = (typeof REDUCERS)[number]

export const ROW_BLOCK = 100
export const RUN_BLOCK = 30
const REFRESH_MS = 1000

const list = (text: string | undefined) => (text ? text.split(',').filter(Boolean) : [])

export class CompareModel {
  private params = $derived(router.place.params)
  runIds = $derived([...new Set(list(this.params.runs))])
  /** The first run, unless another one was chosen. */
  baseline = $derived(
    this.runIds.includes(this.params.base ?? '') ? (this.params.base ?? '') : this.runIds[0],
  )
  differing = $derived(this.params.differ !== '0')
  search = $derived(this.params.q ?? '')
  reduce = $derived<Reducer>(REDUCERS.find((name) => name === this.params.reduce) ?? 'best')
  sections = $derived(
    SECTIONS.map(({ section }) => section).filter((section) => list(this.params.sections).includes(section)),
  )
  closed = $derived((this.params.closed ?? '').split('\n').filter(Boolean))

  /** The baseline comes first; the others keep their order. */
  request = $derived<CompareRequest>({
    run_ids: this.baseline ? [this.baseline, ...this.runIds.filter((id) => id !== this.baseline)] : [],
    baseline: this.baseline,
    sections: this.sections,
    search: this.search,
    differing: this.differing,
    reduce: this.reduce,
    closed: this.closed,
  })
  question = $derived(JSON.stringify(this.request))

  /** Counts, sections and the baseline; from whichever window came last. */
  facts = $state.raw<Comparison | null>(null)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)
  private blocks = $state.raw(new Map<string, Comparison>())
  private waiting = new Map<string, AbortController>()
  private asked = ''
  private visible: { rows: [number, number]; runs: [number, number] } | null = null

  private refresh = throttle(() => {
    if (!document.hidden) this.fetchVisible(true)
  }, REFRESH_MS)

  /** Must be called while a component is made. */
  start(): void {
    $effect(() => {
      const question = this.question
      untrack(() => {
        this.asked = question
        for (const controller of this.waiting.values()) controller.abort()
        this.waiting.clear()
        this.blocks = new Map()
        if (this.request.run_ids.length > 0) this.fetch(0, 0)
        else this.facts = null
        this.fetchVisible()
      })
    })
    $effect(() =>
      live.on((event) => {
        const mine =
          event.type === 'reset' ||
          (event.type === 'runs' && event.run_ids.some((id) => this.runIds.includes(id))) ||
          ((event.type === 'metrics' || event.type === 'artifacts') && this.runIds.includes(event.run_id))
        if (mine) this.refresh()
      }),
    )
    $effect(() => () => {
      for (const controller of this.waiting.values()) controller.abort()
    })
  }

  update(change: Record<string, string>): void {
    router.replaceParams({ ...this.params, ...change })
  }

  setBaseline(id: string): void {
    this.update({ base: id })
  }

  remove(id: string): void {
    const runs = this.runIds.filter((other) => other !== id)
    this.update({ runs: runs.join(','), base: this.baseline === id ? '' : (this.params.base ?? '') })
  }

  toggleSection(section: CompareSection): void {
    const on = this.sections.includes(section)
    const next = on ? this.sections.filter((other) => other !== section) : [...this.sections, section]
    this.update({ sections: next.length === SECTIONS.length ? '' : next.join(',') })
  }

  toggle(path: string): void {
    const closed = this.closed.includes(path)
      ? this.closed.filter((other) => other !== path)
      : [...this.closed, path]
    this.update({ closed: closed.join('\n') })
  }

  /** Says what is on screen, so that it is fetched. Runs count from 0, the baseline. */
  show(rows: [number, number], runs: [number, number]): void {
    this.visible = { rows, runs }
    this.fetchVisible()
  }

  row(index: number): CompareRow | undefined {
    for (const [key, block] of this.blocks)
      if (key.startsWith(`${Math.floor(index / ROW_BLOCK)}:`)) return block.rows[index % ROW_BLOCK]
    return undefined
  }

  run(index: number): ComparedRun | undefined {
    for (const [key, block] of this.blocks)
      if (key.endsWith(`:${Math.floor(index / RUN_BLOCK)}`)) return block.runs[index % RUN_BLOCK]
    return undefined
  }

  /** Undefined: not fetched yet; null: the run has no such value. */
  cell(row: number, run: number): CompareRow['cells'][number] | undefined {
    const block = this.blocks.get(`${Math.floor(row / ROW_BLOCK)}:${Math.floor(run / RUN_BLOCK)}`)
    return block?.rows[row % ROW_BLOCK]?.cells[run % RUN_BLOCK]
  }

  private fetchVisible(again = false): void {
    if (!this.visible || !this.facts) return
    const { rows, runs } = this.visible
    const last = (count: number, block: number) => Math.max(0, Math.ceil(count / block) - 1)
    const rowBlocks = last(this.facts.total, ROW_BLOCK)
    const runBlocks = last(this.facts.run_count, RUN_BLOCK)
    for (
      let r = Math.floor(rows[0] / ROW_BLOCK);
      r <= Math.min(rowBlocks, Math.floor(rows[1] / ROW_BLOCK));
      r++
    )
      for (
        let c = Math.floor(runs[0] / RUN_BLOCK);
        c <= Math.min(runBlocks, Math.floor(runs[1] / RUN_BLOCK));
        c++
      )
        this.fetch(r, c, again)
  }

  private fetch(rowBlock: number, runBlock: number, again = false): void {
    const key = `${rowBlock}:${runBlock}`
    if (this.waiting.has(key) || (this.blocks.has(key) && !again)) return
    const controller = new AbortController()
    this.waiting.set(key, controller)
    const question = this.asked
    const request: CompareRequest = {
      ...this.request,
      offset: rowBlock * ROW_BLOCK,
      limit: ROW_BLOCK,
      run_offset: runBlock * RUN_BLOCK,
      run_limit: RUN_BLOCK,
    }
    void api
      .compare(request, controller.signal)
      .then((window) => {
        if (question !== this.asked) return
        this.waiting.delete(key)
        // Keys come and go while runs are logged: what was fetched before may lie elsewhere now.
        const moved = again && window.total !== this.facts?.total
        this.blocks = moved ? new Map([[key, window]]) : new Map(this.blocks).set(key, window)
        this.facts = window
        this.problem = null
        this.fetchVisible()
      })
      .catch((error: unknown) => {
        if (question === this.asked) this.waiting.delete(key)
        if (!isAbort(error)) this.problem = describe(error)
      })
  }
}
