/** Rows of a CSV text, with quoted fields as RFC 4180 has them. Stops after `limit` rows. */
export function parseCsv(
  text: string,
  separator: string,
  limit: number,
): { rows: string[][]; more: boolean } {
  const rows: string[][] = []
  let row: string[] = []
  let field = ''
  let quoted = false
  let started = false
  const end = () => {
    row.push(field)
    field = ''
    started = false
  }
  for (let i = text.charCodeAt(0) === 0xfeff ? 1 : 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (quoted) {
      if (char !== '"') field += char
      else if (text[i + 1] === '"') {
        field += '"'
        i++
      } else quoted = false
    } else if (char === '"' && !started) {
      quoted = true
      started = true
    } else if (char === separator) end()
    else if (char === '\n' || char === '\r') {
      if (char === '\r' && text[i + 1] === '\n') i++
      end()
      rows.push(row)
      row = []
      if (rows.length >= limit) return { rows, more: i + 1 < text.length }
    } else {
      field += char
      started = true
    }
  }
  if (field !== '' || row.length > 0) {
    end()
    rows.push(row)
  }
  return { rows, more: false }
}
