// The rows of the measurement as Markdown, in the form of the other tables of docs/performance.md.
// @ts-check

/** @typedef {{ key: string, name: string, unit: string, slipway?: number | null, window?: number | null, mlflow?: number | null,
 *   reach?: number, more?: string }} Row */

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

/** @param {number | null | undefined} value */
function short(value) {
  if (value === null || value === undefined) return '–'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return Number(value.toPrecision(3)).toString()
}

/** @param {Row} row */
function verdict(row) {
  if (row.reach === undefined) return ''
  const said = [row.slipway, row.window]
    .filter((value) => value !== null && value !== undefined)
    .map((value) => (Number(value) <= Number(row.reach) ? 'yes' : '**no**'))
  return said.join('; ')
}

/** @param {Row[]} rows */
export function markdown(rows) {
  const lines = [
    '| | unit | Slipway, Chromium | Slipway, window | MLflow, Chromium | ratio | reach | reached |',
    '|---|---|--:|--:|--:|--:|---|---|',
  ]
  for (const row of rows) {
    const ratio =
      row.mlflow && row.slipway && row.unit !== 'frames' ? `${short(row.mlflow / row.slipway)}x` : '–'
    const reach = row.reach === undefined ? '' : row.reach === 0 ? 'none' : `${short(row.reach)} ${row.unit}`
    lines.push(
      `| ${row.name} | ${row.unit} | ${short(row.slipway)} | ${short(row.window)} | ${short(row.mlflow)} | ${ratio} | ${reach} | ${verdict(row)} |`,
    )
  }
  const notes = rows.filter((row) => row.more).map((row) => `- ${row.name}: ${row.more}`)
  return [...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}
