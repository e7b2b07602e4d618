// How models, versions and what they are promoted to are named: in addresses, in MLflow's URIs and in words.

import type { MetricName, ModelTarget } from '../../api/model-types'

/** Names are any text, so that each is one escaped part of the address. */
export const modelHref = (name: string, params: Record<string, string> = {}): string =>
  `#${modelPath(name)}${query(params)}`

export const versionHref = (name: string, version: number, params: Record<string, string> = {}): string =>
  `#${versionPath(name, version)}${query(params)}`

export const modelPath = (name: string): string => `/models/${encodeURIComponent(name)}`

export const versionPath = (name: string, version: number): string => `${modelPath(name)}/versions/${version}`

function query(params: Record<string, string>): string {
  const pairs = Object.entries(params).map(
    ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`,
  )
  return pairs.length > 0 ? `?${pairs.join('&')}` : ''
}

export const sameTarget = (a: ModelTarget, b: ModelTarget): boolean =>
  a.kind === 'alias' ? b.kind === 'alias' && a.alias === b.alias : b.kind === 'stage' && a.stage === b.stage

/** `@champion` or `Production`. */
export const targetWord = (target: ModelTarget): string =>
  target.kind === 'alias' ? `@${target.alias}` : target.stage

export const targetUri = (name: string, target: ModelTarget): string =>
  target.kind === 'alias' ? `models:/${name}@${target.alias}` : `models:/${name}/${target.stage}`

export const metricWord = (metric: MetricName): string =>
  metric.dataset ? `${metric.key} on ${metric.dataset}` : metric.key

export const metricId = (metric: MetricName): string => `${metric.key}\n${metric.dataset ?? ''}`

/** An alias that MLflow would refuse, and why; null when it is fine. */
export function aliasFault(alias: string): string | null {
  if (!alias) return 'Name an alias.'
  if (/^v\d+$/i.test(alias)) return 'An alias like v12 would be taken for a version.'
  if (alias.toLowerCase() === 'latest') return 'MLflow keeps the alias latest for itself.'
  if (!/^[\w-]+$/.test(alias)) return 'An alias has letters, digits, _ and - only.'
  if (alias.length > 255) return 'An alias has at most 255 characters.'
  return null
}

/** Aliases in their order, but the one that most people mean first. */
export const championFirst = <T extends { alias: string }>(aliases: T[]): T[] => [
  ...aliases.filter(({ alias }) => alias === 'champion'),
  ...aliases.filter(({ alias }) => alias !== 'champion'),
]
