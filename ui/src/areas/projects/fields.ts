// What can be started in a project, and the fields of its form: one shape for entry points of an MLproject and for
// scripts. The server has the last word on values; what is said here is said while typing.

import type { EntryParameter, ProjectDetail, ProjectScript, ScriptParameter } from '../../api/project-types'

export type FieldKind = 'float' | 'int' | 'string' | 'path' | 'uri' | 'bool'

export interface Field {
  name: string
  kind: FieldKind
  /** Takes several values, written as in a shell. */
  many: boolean
  choices: string[]
  /** What it is without a value; null when there is none. */
  preset: string | null
  /** The expression of a default that is only known when the script runs. */
  presetSource: string
  required: boolean
  help: string
  /** As it is written on a command line. */
  flag: string
}

export interface Runnable {
  /** Names it in the address: the entry point or the script. */
  name: string
  kind: 'entry' | 'script'
  /** The template of an entry point. */
  command: string
  help: string
  framework: string
  fields: Field[]
  /** Of a script, each with fields of its own. */
  commands: { name: string; help: string; fields: Field[] }[]
  notes: string[]
}

export type Values = Record<string, string>

function ofEntry(parameter: EntryParameter): Field {
  return {
    name: parameter.name,
    kind: parameter.kind,
    many: false,
    choices: [],
    preset: parameter.default ?? null,
    presetSource: '',
    required: parameter.default === null || parameter.default === undefined,
    help: '',
    flag: '',
  }
}

function ofScript(parameter: ScriptParameter): Field {
  const isFlag = parameter.style === 'flag'
  return {
    name: parameter.name,
    kind: isFlag ? 'bool' : parameter.style === 'count' ? 'int' : parameter.kind,
    many: parameter.many,
    choices: parameter.choices,
    preset: parameter.default ?? null,
    presetSource: parameter.default_source ?? '',
    required: parameter.required,
    help: parameter.help ?? '',
    flag: parameter.flags.find((flag) => flag.startsWith('--')) ?? parameter.flags[0] ?? '',
  }
}

function scriptOf(script: ProjectScript): Runnable {
  return {
    name: script.path,
    kind: 'script',
    command: '',
    help: script.help ?? '',
    framework: script.framework ?? '',
    fields: script.parameters.map(ofScript),
    commands: script.commands.map((command) => ({
      name: command.name,
      help: command.help ?? '',
      fields: command.parameters.map(ofScript),
    })),
    notes: script.notes,
  }
}

/** Entry points first, `main` before all of them; then scripts. */
export function runnablesOf(detail: ProjectDetail): Runnable[] {
  const entries = (detail.mlproject?.entry_points ?? []).map((entry): Runnable => ({
    name: entry.name,
    kind: 'entry',
    command: entry.command,
    help: '',
    framework: '',
    fields: entry.parameters.map(ofEntry),
    commands: [],
    notes: [],
  }))
  entries.sort((a, b) => Number(b.name === 'main') - Number(a.name === 'main'))
  return [...entries, ...detail.scripts.map(scriptOf)]
}

/** The fields to fill in, those of the subcommand after the script's own. */
export function fieldsOf(runnable: Runnable, subcommand: string): Field[] {
  const chosen = runnable.commands.find(({ name }) => name === subcommand)
  return [...runnable.fields, ...(chosen?.fields ?? [])]
}

/** What the form shows before anything is typed. */
export function presetsOf(fields: Field[]): Values {
  return Object.fromEntries(fields.map((field) => [field.name, field.preset ?? '']))
}

const FLOAT = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+)?$|^[+-]?(inf|infinity|nan)$/i
const INT = /^[+-]?\d+(_\d+)*$/

/** What is wrong with a value; empty when nothing is. */
export function wrongWith(field: Field, value: string): string {
  if (value === '') return field.required ? 'Needs a value.' : ''
  if (value === field.preset) return ''
  const each = field.many ? value.split(/\s+/).filter(Boolean) : [value]
  for (const one of each) {
    if (field.choices.length > 0 && !field.choices.includes(one)) return `One of ${field.choices.join(', ')}.`
    if (field.kind === 'float' && !FLOAT.test(one)) return 'A number, e.g. 0.5 or 1e-3.'
    if (field.kind === 'int' && !INT.test(one)) return 'A whole number.'
    if (field.kind === 'uri' && !/^[a-z][a-z0-9+.-]*:/i.test(one)) return 'An address, e.g. s3://bucket/data.'
  }
  return ''
}

/** What is sent: what differs from what it would be anyway. A field that was emptied is its default again, but a text. */
export function givenOf(fields: Field[], values: Values): { name: string; value: string }[] {
  return fields
    .map((field) => ({ field, value: values[field.name] ?? '' }))
    .filter(({ field, value }) => value !== (field.preset ?? ''))
    .filter(({ field, value }) => value !== '' || field.kind === 'string')
    .map(({ field, value }) => ({ name: field.name, value }))
}

/** Further parameters, one `name=value` a line. */
export function moreOf(text: string): { given: { name: string; value: string }[]; problem: string } {
  const given = []
  for (const line of text.split('\n')) {
    if (!line.trim()) continue
    const equals = line.indexOf('=')
    if (equals < 1) return { given, problem: `“${line.trim()}” is not name=value.` }
    given.push({ name: line.slice(0, equals).trim(), value: line.slice(equals + 1) })
  }
  return { given, problem: '' }
}

/** Where a project is shown. */
export function projectHref(project: string, more: Record<string, string> = {}): string {
  return `#/project?${new URLSearchParams({ at: project, ...more }).toString()}`
}

/** The filter that finds the runs of a project; empty when its name cannot be written in one. */
export function runsFilter(project: string): string {
  const quote = project.includes("'") ? '"' : "'"
  return project.includes(quote) ? '' : `tags.\`slipway.project\` = ${quote}${project}${quote}`
}
