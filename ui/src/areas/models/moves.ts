// Moving aliases and stages: the call, what is said about it, and the way back.

import { ApiFailure, describe } from '../../api/client'
import type { ModelTarget, Promoted, PromotionRequest } from '../../api/model-types'
import { modelsApi } from '../../api/models'
import { toasts } from '../../app/toasts.svelte'
import { undo, type Step } from '../../app/undo.svelte'
import { targetWord } from './names'

/** Says what was done, and offers to take it back. */
function told(words: string, label: string, done: Promoted): void {
  let id = done.history_id
  if (id === null || id === undefined) {
    toasts.show(`Nothing changed: ${targetWord(done.target)} was there already.`)
    return
  }
  // To take back what took something back is to do it again.
  const flip = async () => {
    if (id === null || id === undefined) return
    id = (await modelsApi.undo({ history_id: id })).history_id
  }
  const step: Step = { label, undo: flip, redo: flip }
  undo.push(step)
  toasts.show(words, { action: { label: 'Undo', run: () => void undo.undo(step) } })
}

/** Throws when it is refused: the sheet says why. */
export async function promote(request: PromotionRequest): Promise<Promoted> {
  const done = await modelsApi.promote(request)
  const target = targetWord(request.target)
  const before = done.previous ? ` It was version ${done.previous}.` : ''
  told(
    `${target} of ${request.name} is version ${request.version} now.${before}`,
    `promote version ${request.version} of ${request.name} to ${target}`,
    done,
  )
  return done
}

/** False when it was refused for its files: then somebody has to look first. */
export async function rollBack(
  name: string,
  target: ModelTarget,
  version: number | null,
  options: { note?: string; force?: boolean } = {},
): Promise<boolean> {
  try {
    const done = await modelsApi.rollback({ name, target, version, ...options })
    const word = targetWord(target)
    told(
      `${word} of ${name} is version ${done.version ?? '?'} again.${options.force ? '' : ' Its files were checked.'}`,
      `roll ${word} of ${name} back to version ${done.version ?? '?'}`,
      done,
    )
    return true
  } catch (error) {
    if (error instanceof ApiFailure && error.code === 'refused' && !options.force) return false
    toasts.show(describe(error).message, { kind: 'error' })
    return true
  }
}

export async function removeAlias(name: string, alias: string): Promise<void> {
  try {
    const done = await modelsApi.removeAlias({ name, alias })
    told(`Removed @${alias} from ${name}.`, `remove @${alias} from ${name}`, done)
  } catch (error) {
    toasts.show(describe(error).message, { kind: 'error' })
  }
}

export async function takeBack(historyId: number): Promise<void> {
  try {
    const done = await modelsApi.undo({ history_id: historyId })
    const word = targetWord(done.target)
    told(
      done.version ? `${word} is version ${done.version} again.` : `${word} is gone again.`,
      `take back a move of ${word}`,
      done,
    )
  } catch (error) {
    toasts.show(describe(error).message, { kind: 'error' })
  }
}
