// Terminal colours as pieces of text with classes. Nothing of a log becomes markup in the page.

import { AnsiUp } from 'ansi_up'

export interface Piece {
  text: string
  classes: string
}

const ESCAPE = '\u001b'

/** One line of a log. Colours end with the line. */
export function ansiPieces(line: string): Piece[] {
  if (!line.includes(ESCAPE)) return [{ text: withoutControls(line), classes: '' }]
  const reader = new AnsiUp()
  reader.use_classes = true
  reader.url_allowlist = {}
  // What the library writes is escaped, and it is only read here, in a document that is never shown.
  const page = new DOMParser().parseFromString(reader.ansi_to_html(line), 'text/html')
  const pieces: Piece[] = []
  const walk = (node: Node, classes: string) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = withoutControls(node.textContent ?? '')
      if (text) pieces.push({ text, classes })
      return
    }
    const element = node as Element
    const own = [...(element.classList ?? [])].filter((name) => name.startsWith('ansi-'))
    if (/font-weight/.test(element.getAttribute?.('style') ?? '')) own.push('bold')
    for (const child of node.childNodes) walk(child, [classes, ...own].filter(Boolean).join(' '))
  }
  for (const child of page.body.childNodes) walk(child, '')
  return pieces
}

/** Control characters show nothing in a page, but are copied. */
function withoutControls(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
}

/** Cuts pieces where a text is found, so that it can be marked. */
export function marked(pieces: Piece[], text: string, matchesCase: boolean): (Piece & { mark: boolean })[] {
  const fold = (value: string) => (matchesCase ? value : value.toLowerCase())
  const wanted = fold(text)
  const out: (Piece & { mark: boolean })[] = []
  for (const piece of pieces) {
    const folded = fold(piece.text)
    // Some letters change their length with their case: then nothing is marked.
    if (!wanted || folded.length !== piece.text.length) {
      out.push({ ...piece, mark: false })
      continue
    }
    let at = 0
    for (let found = folded.indexOf(wanted); found >= 0; found = folded.indexOf(wanted, at)) {
      if (found > at) out.push({ ...piece, text: piece.text.slice(at, found), mark: false })
      out.push({ ...piece, text: piece.text.slice(found, found + wanted.length), mark: true })
      at = found + wanted.length
    }
    if (at < piece.text.length) out.push({ ...piece, text: piece.text.slice(at), mark: false })
  }
  return out
}
