// Which screen a place shows. Each is loaded when it is first opened, so that starting costs only what is looked at.

import type { Component } from 'svelte'

interface Area {
  load: () => Promise<{ default: Component<Record<string, unknown>> }>
  props: Record<string, unknown>
  /** Places with different keys never share what a screen has in memory. */
  key: string
}

// The screens take different props; which ones is decided here, next to their names.
const area = (load: () => Promise<unknown>, props: Record<string, unknown> = {}, key = ''): Area => ({
  load: load as Area['load'],
  props,
  key,
})

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Null: nothing is there. An empty store starts with how to fill it. */
export function areaAt(path: string, params: Record<string, string>, empty: boolean): Area | null {
  const run = /^\/run\/([^/]+)$/.exec(path)?.[1]
  if (run) return area(() => import('../areas/run/RunArea.svelte'), { runId: run }, `run ${run}`)
  const version = /^\/models\/([^/]+)\/versions\/(\d+)$/.exec(path)
  if (version?.[1])
    return area(
      () => import('../areas/models/VersionArea.svelte'),
      { name: decoded(version[1]), version: Number(version[2]) },
      `model version ${path}`,
    )
  const model = /^\/models\/([^/]+)$/.exec(path)?.[1]
  if (model)
    return area(() => import('../areas/models/ModelArea.svelte'), { name: decoded(model) }, `model ${model}`)
  const job = /^\/jobs?\/([^/]+)$/.exec(path)?.[1]
  if (job === 'new')
    return area(() => import('../areas/jobs/NewJobArea.svelte'), { params }, `new job ${params.clone ?? ''}`)
  if (job) return area(() => import('../areas/jobs/JobArea.svelte'), { jobId: job }, `job ${job}`)
  const view = /^\/view\/(.+)$/.exec(path)?.[1]
  if (view) {
    // A link of the form project/name names the view last.
    const name = decoded(view.split('/').at(-1) ?? view)
    return area(() => import('../areas/views/ViewLink.svelte'), { name }, `view ${view}`)
  }
  switch (path) {
    case '/runs':
      return area(() => import('../areas/runs/RunsArea.svelte'), {}, 'runs')
    case '/jobs':
      return area(() => import('../areas/jobs/JobsArea.svelte'), {}, 'jobs')
    case '/projects':
      return area(() => import('../areas/projects/ProjectsArea.svelte'), {}, 'projects')
    case '/project':
      return area(
        () => import('../areas/projects/ProjectArea.svelte'),
        { params },
        `project ${params.at ?? ''} ${params.version ?? ''} ${params.clone ?? ''}`,
      )
    case '/environments':
      return area(() => import('../areas/projects/EnvironmentsArea.svelte'), {}, 'environments')
    case '/models':
      return area(() => import('../areas/models/ModelsArea.svelte'), {}, 'models')
    case '/webhooks':
      return area(() => import('../areas/models/WebhooksArea.svelte'), {}, 'webhooks')
    case '/lineage':
      return area(() => import('../areas/models/LineageArea.svelte'), { params }, 'lineage')
    case '/compare':
      return area(() => import('../areas/compare/CompareArea.svelte'), {}, 'compare')
    case '/settings':
      return area(() => import('../areas/settings/SettingsArea.svelte'), {}, 'settings')
    case '/trash':
      return area(() => import('../areas/trash/TrashArea.svelte'), {}, 'trash')
    case '/inspect':
      return area(
        () => import('../areas/inspect/InspectSheet.svelte'),
        { path: params.path ?? '' },
        'inspect',
      )
    case '/folder':
      return area(() => import('../areas/inspect/FolderArea.svelte'), { params }, `folder ${params.at ?? ''}`)
    case '/welcome':
      return area(() => import('../areas/welcome/WelcomeArea.svelte'), {}, 'welcome')
    case '/':
      return empty ? areaAt('/welcome', params, empty) : areaAt('/home', params, empty)
    case '/home':
      return area(() => import('../areas/home/HomeArea.svelte'), {}, 'home')
    default:
      return null
  }
}
