// What can be done with what was found in a folder: which things open on a page of their own, and what a page of files
// says about the others.

import type { InspectItem, InspectKind } from '../../api/types'

export type Opening =
  /** Opens the folder as a project. */
  | { how: 'project'; folder: string; page: string }
  /** Asks for a name and registers it. */
  | { how: 'register'; path: string; page: string }
  /** Shows it where it lies, read only. */
  | { how: 'look'; href: string; page: string }
  /** Is only listed. */
  | { how: 'list'; why: string }

export const ENVIRONMENTS: InspectKind[] = ['python_environment', 'requirements', 'conda_environment']

/** Things that are a folder. */
const FOLDERS: InspectKind[] = ['mlflow_file_store', 'tensor_board', 'wandb']

const PAGES: Partial<Record<InspectKind, string>> = {
  mlflow_file_store: 'Files, read only',
  mlflow_database: 'What it is',
  tensor_board: 'Files, read only',
  wandb: 'Files, read only',
  notebook: 'Notebook, read only',
  kfp_pipeline: 'Source, read only',
  dockerfile: 'Source, read only',
  table: 'Table',
}

const parent = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** Below an inspected folder; an empty path is that folder itself. */
export function below(root: string, path: string): string {
  if (!path || path === '.') return root
  return `${root.replace(/\/$/, '')}/${path}`
}

/** The page of a file below a folder, or of the folder itself. */
export function folderHref(at: string, file = ''): string {
  return `#/folder?at=${encodeURIComponent(at)}${file ? `&file=${encodeURIComponent(file)}` : ''}`
}

function look(item: InspectItem, root: string): Opening {
  const page = PAGES[item.kind] ?? 'Files, read only'
  if (FOLDERS.includes(item.kind)) return { how: 'look', href: folderHref(below(root, item.path)), page }
  // A file that was looked into by itself.
  const file = item.path || (root.split('/').at(-1) ?? '')
  return { how: 'look', href: folderHref(root, file), page }
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
      return look(item, root)
  }
}

export interface Advice {
  text: string
  /** To be typed by whoever wants more than Slipway does today. */
  command?: string
  link?: { label: string; href: string }
}

const quoted = (path: string) => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)

/** What can be done today with a thing on its page; `path` is absolute. */
export function adviceOf(kind: InspectKind, path: string): Advice {
  switch (kind) {
    case 'mlflow_file_store':
      return {
        text: 'Slipway does not put these runs into its tables. Their files are below; MLflow’s own page shows the runs:',
        command: `mlflow ui --backend-store-uri ${quoted(path)}`,
      }
    case 'mlflow_database':
      return {
        text: 'Slipway does not put these runs into its tables, and changes nothing in the file. MLflow’s own page shows them:',
        command: `mlflow ui --backend-store-uri ${quoted(`sqlite:///${path}`)}`,
      }
    case 'wandb':
      return {
        text: 'Slipway does not read W&B’s own format. What W&B keeps beside it can be read below: config, summary and output of each run. What was logged offline can be sent to W&B:',
        command: `wandb sync ${quoted(path)}`,
      }
    case 'tensor_board':
      return {
        text: 'Slipway does not read event files. TensorBoard does:',
        command: `tensorboard --logdir ${quoted(path)}`,
      }
    case 'kfp_pipeline':
      return { text: 'Slipway does not run pipelines. This is the file as it is.' }
    case 'dockerfile':
      return { text: 'Slipway builds no images. An MLproject can name one under docker_env.' }
    case 'notebook':
      return { text: 'Read only: nothing in it is run.' }
    case 'table':
      return { text: 'Shown page by page, whatever its size.' }
    case 'model':
      return { text: 'It can be registered as a version of a model; nothing of it is loaded.' }
    default:
      return {
        text: 'It belongs to a project.',
        link: {
          label: 'Open the project',
          href: `#/project?at=${encodeURIComponent(parent(path) || '/')}${ENVIRONMENTS.includes(kind) ? '&tab=environments' : ''}`,
        },
      }
  }
}
