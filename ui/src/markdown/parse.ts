// Notes in Markdown, as a tree of plain values. There is no HTML in it and none comes out of it: the tree is
// drawn with elements, so that whatever a run's note contains is shown and never interpreted.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong'; children: Inline[] }
  | { kind: 'em'; children: Inline[] }
  | { kind: 'link'; href: string; children: Inline[] }

export type Block =
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'quote'; children: Inline[] }
  | { kind: 'list'; ordered: boolean; items: Inline[][] }
  | { kind: 'code'; text: string }
  | { kind: 'rule' }

/** Only addresses of the web: nothing that runs, reads files or hides where it leads. */
export function safeHref(href: string): string | null {
  const trimmed = href.trim()
  if (!/^https?:\/\//i.test(trimmed)) return null
  try {
    const url = new URL(trimmed)
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null
  } catch {
    return null
  }
}

const MAX_DEPTH = 8

export function parseInline(text: string, depth = 0): Inline[] {
  const result: Inline[] = []
  let plain = ''
  const flush = () => {
    if (plain) result.push({ kind: 'text', text: plain })
    plain = ''
  }
  const nested = (inner: string) =>
    depth < MAX_DEPTH ? parseInline(inner, depth + 1) : [{ kind: 'text' as const, text: inner }]
  let rest = text
  while (rest) {
    const code = /^`([^`]+)`/.exec(rest)
    const strong = /^(\*\*|__)(?=\S)(.+?)\1/.exec(rest)
    const em = /^([*_])(?=[^\s*_])([^*_]+?)\1/.exec(rest)
    const link = /^\[([^[\]]*)\]\(([^()\s]*)\)/.exec(rest)
    const bare = /^https?:\/\/[^\s<>()]*[^\s<>().,;:!?]/i.exec(rest)
    const wordBefore = /[\p{L}\p{N}]$/u.test(plain)
    const taken = code ?? strong ?? (wordBefore ? null : em) ?? link ?? (wordBefore ? null : bare)
    if (rest.startsWith('\\') && /^\\[\\`*_[\]()#+\-.!]/.test(rest)) {
      plain += rest.charAt(1)
      rest = rest.slice(2)
      continue
    }
    if (!taken) {
      plain += rest.charAt(0)
      rest = rest.slice(1)
      continue
    }
    if (code) {
      flush()
      result.push({ kind: 'code', text: code[1] ?? '' })
    } else if (strong) {
      flush()
      result.push({ kind: 'strong', children: nested(strong[2] ?? '') })
    } else if (taken === em) {
      flush()
      result.push({ kind: 'em', children: nested(em?.[2] ?? '') })
    } else if (link) {
      const href = safeHref(link[2] ?? '')
      if (href) {
        flush()
        result.push({ kind: 'link', href, children: nested(link[1] ?? '') })
      } else plain += link[0]
    } else {
      const href = safeHref(taken[0])
      if (href) {
        flush()
        result.push({ kind: 'link', href, children: [{ kind: 'text', text: taken[0] }] })
      } else plain += taken[0]
    }
    rest = rest.slice(taken[0].length)
  }
  flush()
  return result
}

export function parseMarkdown(source: string): Block[] {
  const lines = source.replace(/\r\n?/g, '\n').split('\n')
  const blocks: Block[] = []
  let i = 0
  const line = () => lines[i] ?? ''
  while (i < lines.length) {
    const fence = /^\s*(```|~~~)/.exec(line())?.[1]
    if (fence) {
      const body: string[] = []
      for (i++; i < lines.length && !line().trimStart().startsWith(fence); i++) body.push(line())
      i++
      blocks.push({ kind: 'code', text: body.join('\n') })
      continue
    }
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line())
    if (heading) {
      blocks.push({
        kind: 'heading',
        level: heading[1]?.length ?? 1,
        children: parseInline(heading[2] ?? ''),
      })
      i++
      continue
    }
    if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line())) {
      blocks.push({ kind: 'rule' })
      i++
      continue
    }
    const item = /^\s*([-*+]|\d{1,9}[.)])\s+/
    if (item.test(line())) {
      const ordered = /^\s*\d/.test(line())
      const items: string[] = []
      for (; i < lines.length && line().trim() !== ''; i++) {
        if (item.test(line())) items.push(line().replace(item, ''))
        else items[items.length - 1] += ` ${line().trim()}`
      }
      blocks.push({ kind: 'list', ordered, items: items.map((text) => parseInline(text)) })
      continue
    }
    if (line().trim() === '') {
      i++
      continue
    }
    const quote = /^\s*>/.test(line())
    const words: string[] = []
    for (; i < lines.length && line().trim() !== ''; i++) {
      if (words.length > 0 && (/^\s*(```|~~~)/.test(line()) || /^#{1,6}\s/.test(line()) || item.test(line())))
        break
      words.push(
        line()
          .replace(/^\s*>\s?/, '')
          .trim(),
      )
    }
    blocks.push({ kind: quote ? 'quote' : 'paragraph', children: parseInline(words.join(' ')) })
  }
  return blocks
}
