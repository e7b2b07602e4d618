// What happened to a model, what its rules ask for and what came of a check, in words.

import type {
  FilesState,
  HistoryEntry,
  ModelRule,
  ModelTarget,
  RuleCheck,
  SignatureState,
} from '../../api/model-types'
import { formatNumber } from '../../design/format'
import { parseMarkdown, type Inline } from '../../markdown/parse'
import { targetWord } from './names'

const ACTIONS: Record<HistoryEntry['action'], string> = {
  edit: '',
  promotion: 'Promotion: ',
  rollback: 'Rollback: ',
  undo: 'Undo: ',
}

/** One line of the history. Who, when and the note stand beside it. */
export function historyWords(entry: HistoryEntry): string {
  const text = plainWords(entry)
  const action = ACTIONS[entry.action]
  if (action) return action + text
  return /^v\d/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1)
}

const version = (text: string | number | null | undefined) =>
  text ? `v${String(text).replace(/^v/, '')}` : ''

function plainWords({ kind, subject, from, to, ...entry }: HistoryEntry): string {
  const key = subject ?? ''
  switch (kind) {
    case 'model_created':
      return 'the model was registered'
    case 'model_renamed':
      return `renamed from “${from ?? ''}” to “${to ?? ''}”`
    case 'model_described':
      return to ? 'the description was changed' : 'the description was removed'
    case 'model_deleted':
      return 'the model was deleted'
    case 'model_tag_set':
      return `tag ${key} set to “${to ?? ''}”`
    case 'model_tag_removed':
      return `tag ${key} removed`
    case 'rules_set':
      return 'the rules were changed'
    case 'version_created':
      return `${version(entry.version)} was registered`
    case 'version_described':
      return `the notes of ${version(entry.version)} were changed`
    case 'version_deleted':
      return `${version(entry.version)} was deleted`
    case 'version_tag_set':
      return `tag ${key} of ${version(entry.version)} set to “${to ?? ''}”`
    case 'version_tag_removed':
      return `tag ${key} of ${version(entry.version)} removed`
    case 'alias_moved':
      if (!to) return `@${key} removed from ${version(from)}`
      return from
        ? `@${key} moved from ${version(from)} to ${version(to)}`
        : `@${key} given to ${version(to)}`
    case 'stage_moved':
      return `${version(entry.version)} moved from ${from ?? 'None'} to ${to ?? 'None'}`
  }
}

export function targetsWords(targets: ModelTarget[]): string {
  return targets.length === 0 ? 'every alias, Staging and Production' : targets.map(targetWord).join(', ')
}

export function checkWords(check: RuleCheck): string {
  switch (check.kind) {
    case 'metric': {
      const metric = check.dataset ? `${check.metric} on ${check.dataset}` : check.metric
      const slack = check.tolerance ? `, by at most ${formatNumber(check.tolerance)}` : ''
      return `${metric} is not ${check.direction === 'higher' ? 'lower' : 'higher'} than the holder’s${slack}`
    }
    case 'signature':
      return 'Callers of the holder can call it: the signature is compatible'
    case 'tag':
      return check.value ? `It has the tag ${check.key} = ${check.value}` : `It has the tag ${check.key}`
    case 'note':
      return 'A note says why'
  }
}

export const ruleWords = (rule: ModelRule): string =>
  `${checkWords(rule.check)} (${targetsWords(rule.targets ?? [])})`

export const SIGNATURE_WORDS: Record<SignatureState, string> = {
  same: 'same signature',
  compatible: 'compatible signature',
  incompatible: 'incompatible signature',
  unknown: 'signature not known',
}

export const FILES_WORDS: Record<FilesState, string> = {
  unchanged: 'verified: every file is what it was',
  changed: 'files have changed',
  missing: 'files are missing',
  unknown: 'never recorded until now',
  elsewhere: 'kept where this server cannot read',
}

const plainText = (parts: Inline[]): string =>
  parts
    .map((part) => (part.kind === 'text' || part.kind === 'code' ? part.text : plainText(part.children)))
    .join('')

/** The first line of a Markdown text, without its marks. */
export function plainLine(source: string): string {
  const block = parseMarkdown(source.slice(0, 2000)).find(
    ({ kind }) => kind === 'paragraph' || kind === 'heading',
  )
  return block?.kind === 'paragraph' || block?.kind === 'heading' ? plainText(block.children) : ''
}

/** What stands before and after the last `v3` in a text, so that this can be a link; a text without it comes before. */
export function aroundVersion(text: string, version: number): [string, string] {
  const last = [...text.matchAll(new RegExp(`\\bv${version}\\b`, 'g'))].at(-1)
  if (!last) return [`${text} `, '']
  return [text.slice(0, last.index), text.slice(last.index + last[0].length)]
}
