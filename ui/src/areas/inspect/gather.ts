// What of a dropped folder would be sent: its files by name and size, without what is generated or somebody else's. Only
// names are read here, within limits.

export interface Gathered {
  name: string
  files: { path: string; file: File }[]
  bytes: number
  /** Folders that are left out, by name, and how often. */
  skipped: Map<string, number>
  /** Why it cannot be sent; empty when it can. */
  refusal: string
}

/** The same as on the server, which counts again. */
export const LIMITS = { files: 5_000, bytes: 2 ** 30, depth: 16 }

/** Version control, environments, caches: each is made anew, or is of no use elsewhere. */
const SKIPPED = new Set([
  '.git',
  '.hg',
  '.svn',
  '.venv',
  'venv',
  '.conda',
  'node_modules',
  '__pycache__',
  'site-packages',
  '.ipynb_checkpoints',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '.tox',
  '.cache',
])

export function isSkipped(name: string): boolean {
  return SKIPPED.has(name)
}

export class Gathering {
  readonly gathered: Gathered

  constructor(name: string) {
    this.gathered = { name, files: [], bytes: 0, skipped: new Map(), refusal: '' }
  }

  skip(name: string): void {
    const { skipped } = this.gathered
    skipped.set(name, (skipped.get(name) ?? 0) + 1)
  }

  /** False: a limit is reached, and nothing more has to come. */
  add(path: string, file: File): boolean {
    const { gathered } = this
    if (path.split('/').length > LIMITS.depth)
      gathered.refusal = `“${path}” lies more than ${LIMITS.depth} folders deep.`
    else if (gathered.files.length >= LIMITS.files)
      gathered.refusal = `The folder has more than ${LIMITS.files.toLocaleString('en')} files.`
    else if (gathered.bytes + file.size > LIMITS.bytes) gathered.refusal = 'The folder has more than 1 GiB.'
    if (gathered.refusal) return false
    gathered.files.push({ path, file })
    gathered.bytes += file.size
    return true
  }
}

/** The folders in the path of a file that is not sent; none when it is. */
export function skippedIn(path: string): string | undefined {
  return path.split('/').slice(0, -1).find(isSkipped)
}

/** From an input for folders, which names each file by its way from the folder's own name on. */
export function gatherFiles(list: Iterable<File>): Gathered {
  const files = [...list]
  const first = files[0]?.webkitRelativePath.split('/')[0]
  const gathering = new Gathering(first || 'folder')
  const seen = new Set<string>()
  for (const file of files) {
    const parts = file.webkitRelativePath.split('/')
    const path = parts.length > 1 ? parts.slice(1).join('/') : file.name
    const skipped = skippedIn(path)
    if (skipped) {
      const folder = path.slice(0, path.indexOf(`${skipped}/`))
      // A folder counts once, whatever is in it.
      if (!seen.has(folder + skipped)) gathering.skip(skipped)
      seen.add(folder + skipped)
    } else if (!gathering.add(path, file)) break
  }
  return gathering.gathered
}

/** From what was dropped. Links to elsewhere do not show up: the browser follows none. */
export async function gatherEntries(entries: FileSystemEntry[], goOn: () => boolean): Promise<Gathered> {
  const [first] = entries
  const isFolder = entries.length === 1 && first?.isDirectory === true
  const gathering = new Gathering(isFolder ? first.name : (first?.name.replace(/\.[^.]*$/, '') ?? 'files'))
  const waiting: { entry: FileSystemEntry; path: string }[] = []
  if (isFolder) waiting.push({ entry: first, path: '' })
  else for (const entry of entries) waiting.push({ entry, path: entry.name })
  for (let next = waiting.pop(); next && goOn(); next = waiting.pop()) {
    const { entry, path } = next
    if (entry.isFile) {
      if (!gathering.add(path, await fileOf(entry as FileSystemFileEntry))) break
    } else {
      for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) {
        if (child.isDirectory && isSkipped(child.name)) gathering.skip(child.name)
        else waiting.push({ entry: child, path: path ? `${path}/${child.name}` : child.name })
      }
    }
  }
  return gathering.gathered
}

const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve, reject) => entry.file(resolve, reject))

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const children: FileSystemEntry[] = []
  // Browsers hand out a hundred at a time.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (some.length === 0 || children.length > LIMITS.files) return children
    children.push(...some)
  }
}
