// Tables of several runs put beside each other.

export interface RunTable {
  runId: string
  name: string
  columns: string[]
  rows: (string | null)[][]
  /** Rows there are, on all pages. */
  total: number
}

export interface JoinedRow {
  id: string
  label: string
  /** One for each table: its values by column, or null where it has no such row. */
  cells: (Record<string, string | null> | null)[]
}

/** Rows of the same place, counted from `first`, or of the same value in a column: the n-th of it to the n-th. */
export function join(tables: readonly RunTable[], by: string | null, first: number): JoinedRow[] {
  const rows = new Map<string, JoinedRow>()
  tables.forEach((table, t) => {
    const at = by === null ? -1 : table.columns.indexOf(by)
    const seen = new Map<string, number>()
    table.rows.forEach((values, i) => {
      const label = by === null ? String(first + i + 1) : (values[at] ?? '')
      const nth = (seen.get(label) ?? 0) + 1
      seen.set(label, nth)
      const id = `${nth} ${label}`
      const row = rows.get(id) ?? { id, label, cells: tables.map(() => null) }
      row.cells[t] = Object.fromEntries(table.columns.map((column, c) => [column, values[c] ?? null]))
      rows.set(id, row)
    })
  })
  return [...rows.values()]
}

/** The artifact of a cell that `mlflow.log_table` made of a picture. */
export function imagePath(cell: string): string | null {
  if (!cell.startsWith('{') || cell.length > 2000) return null
  try {
    const value = JSON.parse(cell) as { type?: unknown; filepath?: unknown }
    return value.type === 'image' && typeof value.filepath === 'string' ? value.filepath : null
  } catch {
    return null
  }
}
