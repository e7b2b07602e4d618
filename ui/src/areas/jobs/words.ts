// What is said about jobs, and texts that become parts of their description.

import type { JobCommand, JobState, JobSummary, StateCount } from '../../api/job-types'
import { formatBytes, formatDuration, plural } from '../../design/format'

export interface Filter {
  id: string
  label: string
  /** None: all. */
  states: JobState[]
}

export const FILTERS: Filter[] = [
  { id: 'all', label: 'All', states: [] },
  { id: 'queued', label: 'Queued', states: ['queued'] },
  { id: 'running', label: 'Running', states: ['starting', 'running'] },
  { id: 'succeeded', label: 'Succeeded', states: ['succeeded', 'cached'] },
  { id: 'failed', label: 'Failed', states: ['failed', 'lost'] },
  { id: 'canceled', label: 'Canceled', states: ['canceled', 'skipped'] },
]

export const isLive = (state: JobState) => ['queued', 'starting', 'running'].includes(state)

export function countOf(counts: StateCount[], states: JobState[]): number {
  const wanted = counts.filter(({ state }) => states.length === 0 || states.includes(state))
  return wanted.reduce((sum, { jobs }) => sum + jobs, 0)
}

export function processors(milli: number): string {
  return `${Number((milli / 1000).toFixed(2))} CPU`
}

export function resourcesOf(job: Pick<JobSummary, 'cpu_milli' | 'memory_bytes' | 'gpus'>): string {
  const parts = []
  if (job.gpus > 0) parts.push(plural(job.gpus, 'GPU'))
  if (job.cpu_milli) parts.push(processors(job.cpu_milli))
  if (job.memory_bytes) parts.push(formatBytes(job.memory_bytes))
  return parts.join(' · ')
}

/** How long it has run, or ran; null when it never began. */
export function ranFor(job: Pick<JobSummary, 'started_ms' | 'ended_ms'>, now: number): string {
  if (!job.started_ms) return ''
  return formatDuration(Math.max(0, (job.ended_ms ?? now) - job.started_ms))
}

export function sentence(text: string): string {
  return text ? text.charAt(0).toUpperCase() + text.slice(1) : ''
}

/** What became of a wish to end a job; empty when nobody has it. */
export function ending(job: JobSummary, graceMs: number, now: number): string {
  if (!job.cancel_ms || !isLive(job.state)) return ''
  const left = Math.ceil((job.cancel_ms + graceMs - now) / 1000)
  return left > 0 ? `Ending… will be killed in ${left} s` : 'Ending… being killed'
}

/** Splits a line into words as a shell does with quotes and backslashes, and nothing else of what a shell does. */
export function wordsOf(line: string): { words: string[]; problem: string } {
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (let i = 0; i < line.length; i += 1) {
    const letter = line.charAt(i)
    if (quote === "'") {
      if (letter === "'") quote = ''
      else word += letter
    } else if (letter === '\\' && (!quote || '"\\$`'.includes(line.charAt(i + 1)))) {
      i += 1
      word = (word ?? '') + line.charAt(i)
    } else if (quote) {
      if (letter === quote) quote = ''
      else word += letter
    } else if (letter === "'" || letter === '"') {
      quote = letter
      word ??= ''
    } else if (/\s/.test(letter)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + letter
  }
  if (word !== null) words.push(word)
  return { words, problem: quote ? `A ${quote} is not closed.` : '' }
}

/** A word as a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w\-./=:,@%+]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** The command itself, when Slipway only enters an environment or a folder before it. */
export function userCommand(command: JobCommand): JobCommand {
  if ('shell' in command || command.argv[0] !== '@slipway') return command
  const behind = command.argv.indexOf('--')
  return behind < 0 ? command : { argv: command.argv.slice(behind + 1) }
}

export function shownCommand(command: JobCommand): string {
  return 'shell' in command ? command.shell : command.argv.map(quoted).join(' ')
}

/** Characters that only mean something to a shell. */
export function needsShell(line: string): boolean {
  const bare = line.replace(/'[^']*'|"[^"]*"|\\./g, '')
  return /[|&;<>$`*?~]/.test(bare)
}

/** `4 GB`, `512 MiB`, `1.5g` as bytes; null when it is none of these. */
export function bytesOf(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*$/i.exec(text)
  if (!found) return null
  const base = found[3] ? 1024 : 1000
  const power = ['', 'k', 'm', 'g', 't'].indexOf((found[2] ?? '').toLowerCase())
  return Math.round(Number(found[1]) * base ** power)
}

/** `90 s`, `30 m`, `2 h`, `1 d`, or seconds, as milliseconds; null when it is none of these. */
export function millisecondsOf(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?\s*$/i.exec(text)
  if (!found) return null
  const units: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5 }
  return Math.round(Number(found[1]) * (units[(found[2] ?? 's').toLowerCase()] ?? 1000))
}

/** Variables, one `NAME=value` a line. */
export function variablesOf(text: string): { variables: Record<string, string>; problem: string } {
  const variables: Record<string, string> = {}
  for (const line of text.split('\n')) {
    if (!line.trim()) continue
    const equals = line.indexOf('=')
    if (equals < 1) return { variables, problem: `“${line.trim()}” is not NAME=value.` }
    variables[line.slice(0, equals).trim()] = line.slice(equals + 1)
  }
  return { variables, problem: '' }
}
