// Notebooks (nbformat 3 and 4) as data to show. Nothing in them is run; HTML goes into a frame without rights.

export type CellOutput =
  | { kind: 'text'; text: string; isError: boolean }
  | { kind: 'image'; url: string }
  | { kind: 'html'; html: string }
  | { kind: 'note'; text: string }

export interface NotebookCell {
  kind: 'markdown' | 'code' | 'raw'
  source: string
  count: number | null
  outputs: CellOutput[]
}

export interface Notebook {
  language: string
  cells: NotebookCell[]
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** Texts are one string or a list of lines. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  return list(value)
    .filter((line) => typeof line === 'string')
    .join('')
}

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp']
/** What nbformat 3 called them. */
const OLD_NAMES: Record<string, string> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  svg: 'image/svg+xml',
  html: 'text/html',
  text: 'text/plain',
  latex: 'text/latex',
  json: 'application/json',
}

function fromData(data: Json): CellOutput {
  for (const type of IMAGES) {
    const image = text(data[type]).replace(/\s/g, '')
    // Only what is base64 may be put into an address.
    if (image && /^[A-Za-z0-9+/]+=*$/.test(image))
      return { kind: 'image', url: `data:${type};base64,${image}` }
  }
  const svg = text(data['image/svg+xml'])
  // As a picture, an SVG cannot run anything.
  if (svg) return { kind: 'image', url: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` }
  const html = text(data['text/html'])
  if (html) return { kind: 'html', html }
  for (const type of ['text/markdown', 'text/latex', 'text/plain']) {
    const plain = text(data[type])
    if (plain) return { kind: 'text', text: plain, isError: false }
  }
  return {
    kind: 'note',
    text: `An output of the kind ${Object.keys(data).join(', ') || 'unknown'} is not shown.`,
  }
}

function output(value: unknown): CellOutput {
  if (!isObject(value)) return { kind: 'note', text: 'An output that cannot be read.' }
  switch (value.output_type) {
    case 'stream':
      return {
        kind: 'text',
        text: text(value.text),
        isError: value.name === 'stderr' || value.stream === 'stderr',
      }
    case 'error':
    case 'pyerr': {
      const lines = list(value.traceback).filter((line) => typeof line === 'string')
      const said = lines.length > 0 ? lines.join('\n') : `${text(value.ename)}: ${text(value.evalue)}`
      return { kind: 'text', text: said, isError: true }
    }
    default: {
      if (isObject(value.data)) return fromData(value.data)
      const old: Json = {}
      for (const [name, type] of Object.entries(OLD_NAMES))
        if (value[name] !== undefined) old[type] = value[name]
      return fromData(old)
    }
  }
}

/** Reads a notebook. Throws with a sentence when it is none. */
export function parseNotebook(source: string): Notebook {
  const root: unknown = JSON.parse(source)
  if (!isObject(root)) throw new Error('It is not a notebook: there is no object at its top.')
  const metadata = isObject(root.metadata) ? root.metadata : {}
  const info = isObject(metadata.language_info) ? metadata.language_info : {}
  const raw = Array.isArray(root.cells)
    ? root.cells
    : list(root.worksheets).flatMap((sheet) => (isObject(sheet) ? list(sheet.cells) : []))
  if (!Array.isArray(root.cells) && !Array.isArray(root.worksheets))
    throw new Error('It is not a notebook: it has neither cells nor worksheets.')
  const cells = raw.filter(isObject).map((cell): NotebookCell => {
    const type = cell.cell_type
    const heading = type === 'heading' ? `${'#'.repeat(Number(cell.level) || 1)} ` : ''
    const count = cell.execution_count ?? cell.prompt_number
    return {
      kind: type === 'code' ? 'code' : type === 'markdown' || type === 'heading' ? 'markdown' : 'raw',
      source: heading + text(cell.source ?? cell.input),
      count: typeof count === 'number' ? count : null,
      outputs: type === 'code' ? list(cell.outputs).map(output) : [],
    }
  })
  return { language: text(info.name) || text(metadata.language) || '', cells }
}
