// What can be done with what was found in a folder: which things open on a page of their own, and why others do not.

import type { InspectItem, InspectKind } from '../../api/types'

export type Opening =
  /** Opens the folder as a project. */
  | { how: 'project'; folder: string; page: string }
  /** Asks for a name and registers it. */
  | { how: 'register'; path: string; page: string }
  /** Is only listed. */
  | { how: 'list'; why: string }

const ONLY_LISTED: Partial<Record<InspectKind, string>> = {
  mlflow_file_store: 'Runs of other stores cannot be opened in place yet.',
  mlflow_database: 'Runs of other stores cannot be opened in place yet.',
  tensor_board: 'Event files cannot be opened yet.',
  wandb: 'W&B runs cannot be opened yet.',
  notebook: 'Notebooks can be looked at among the artifacts of a run, and not yet from a folder.',
  kfp_pipeline: 'Pipelines cannot be opened yet.',
  dockerfile: 'Slipway builds no images. An MLproject can name one.',
  table: 'Tables can be looked at among the artifacts of a run, and not yet from a folder.',
}

const parent = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** Below an inspected folder; an empty path is that folder itself. */
export function below(root: string, path: string): string {
  if (!path || path === '.') return root
  return `${root.replace(/\/$/, '')}/${path}`
}

/** What is found is named by its file, but scripts, which are named together by their folder. */
export function openingOf(item: InspectItem, root: string): Opening {
  // The line that stands for many: there is nothing particular to open.
  if (!item.path && /^and [\d,]+ more /.test(item.detail))
    return { how: 'list', why: 'Look into a smaller folder to see them.' }
  const whole = below(root, item.path)
  switch (item.kind) {
    case 'ml_project':
      return { how: 'project', folder: parent(whole) || '/', page: 'Projects' }
    case 'python_environment':
    case 'requirements':
    case 'conda_environment':
      return { how: 'project', folder: parent(whole) || '/', page: 'Projects, as an environment' }
    case 'python_script':
      return {
        how: 'project',
        folder: whole.endsWith('.py') ? parent(whole) || '/' : whole,
        page: 'Projects, as scripts',
      }
    case 'model':
      return { how: 'register', path: whole, page: 'Models' }
    default:
      return { how: 'list', why: ONLY_LISTED[item.kind] ?? 'It is only listed.' }
  }
}
