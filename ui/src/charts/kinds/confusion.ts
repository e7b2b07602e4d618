// Sums over a confusion matrix, whose rows are the true classes.

export interface Confusion {
  kind: 'confusion'
  labels: string[]
  matrix: number[][]
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0)

/** Each count as a part of its row. */
export function parts({ matrix }: Confusion): number[][] {
  return matrix.map((row) => {
    const all = sum(row)
    return row.map((count) => (all > 0 ? count / all : 0))
  })
}

/** The part of all that lies on the diagonal. */
export function accuracy({ matrix }: Confusion): number {
  const all = sum(matrix.map(sum))
  return all > 0 ? sum(matrix.map((row, i) => row[i] ?? 0)) / all : 0
}
