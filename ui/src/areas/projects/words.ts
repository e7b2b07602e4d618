// What is said about projects and environments.

import type { ProjectDetail, ProjectEnvironment } from '../../api/project-types'
import { plural } from '../../design/format'

export function offers(detail: ProjectDetail): string {
  const entries = detail.mlproject?.entry_points.length ?? 0
  const parts = []
  if (entries > 0) parts.push(plural(entries, 'entry point'))
  if (detail.scripts.length > 0)
    parts.push(plural(detail.scripts.length, 'script') + (detail.truncated ? ' or more' : ''))
  return parts.join(' · ') || 'nothing that can be run'
}

/** How an environment stands, in a word. */
export function standing(environment: ProjectEnvironment): string {
  if (environment.problem) return 'cannot be used'
  if (environment.is_ready) return environment.id ? 'ready' : 'used as it is'
  return 'made when it is first used'
}

export function shortCommit(commit: string): string {
  return commit.slice(0, 8)
}
