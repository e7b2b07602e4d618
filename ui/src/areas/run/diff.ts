// A patch as git writes it, as lines with a meaning.

export interface DiffLine {
  kind: 'file' | 'hunk' | 'added' | 'removed' | 'same' | 'note'
  text: string
  /** Line numbers before and after; 0 where there is none. */
  before: number
  after: number
}

export interface DiffFile {
  name: string
  added: number
  removed: number
  lines: DiffLine[]
}

/** Reads a patch. Anything that is none becomes notes, so that no text is lost. */
export function parsePatch(patch: string): DiffFile[] {
  const files: DiffFile[] = []
  let file: DiffFile | undefined
  let before = 0
  let after = 0
  let leftBefore = 0
  let leftAfter = 0
  const open = (name: string) => {
    file = { name, added: 0, removed: 0, lines: [] }
    files.push(file)
    return file
  }
  const lines = patch.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const text of lines) {
    // Inside a hunk the first character decides, even where the line looks like a header.
    if (file && (leftBefore > 0 || leftAfter > 0)) {
      const mark = text[0] ?? ' '
      if (mark === '+') {
        file.lines.push({ kind: 'added', text: text.slice(1), before: 0, after: after++ })
        file.added += 1
        leftAfter -= 1
        continue
      }
      if (mark === '-') {
        file.lines.push({ kind: 'removed', text: text.slice(1), before: before++, after: 0 })
        file.removed += 1
        leftBefore -= 1
        continue
      }
      if (mark === ' ') {
        file.lines.push({ kind: 'same', text: text.slice(1), before: before++, after: after++ })
        leftBefore -= 1
        leftAfter -= 1
        continue
      }
    }
    const head = /^diff --git a\/(.*) b\/(.*)$/.exec(text)
    if (head) {
      open(head[2] ?? '')
      leftBefore = leftAfter = 0
      continue
    }
    const named = /^\+\+\+ (?:b\/)?([^\t]*)/.exec(text)
    if (named && (!file || file.name === '' || file.lines.some((line) => line.kind === 'hunk'))) {
      open(named[1] ?? '')
      continue
    }
    if (/^(---|\+\+\+) /.test(text) && file) continue
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text)
    if (hunk) {
      before = Number(hunk[1])
      leftBefore = Number(hunk[2] ?? 1)
      after = Number(hunk[3])
      leftAfter = Number(hunk[4] ?? 1)
      const target = file ?? open('')
      target.lines.push({ kind: 'hunk', text, before: 0, after: 0 })
      continue
    }
    if (/^--- /.test(text)) continue
    const target = file ?? open('')
    target.lines.push({ kind: 'note', text, before: 0, after: 0 })
  }
  return files
}
