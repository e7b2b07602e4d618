// Numbers, times and sizes as text. Figures have four significant digits; the exact value is a title away.

import type { CellValue } from '../api/types'

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** Four significant digits, in plain notation as long as that stays short. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (Number.isInteger(value) && size < 1e7) return minus(grouped.format(value))
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa = '', exponent = '0'] = value.toExponential(3).split('e')
    return minus(`${trimZeros(mantissa)}e${Number(exponent)}`)
  }
  if (size >= 1e4) return minus(grouped.format(Math.round(value)))
  return minus(trimZeros(value.toPrecision(4)))
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** A minus sign is as wide as a digit; a hyphen is not. */
function minus(text: string): string {
  return text.replace('-', '−').replace('e−', 'e-')
}

export function formatCount(value: number): string {
  return grouped.format(value)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** A metric's value: numbers that are not finite travel as texts. */
export function toNumber(value: CellValue | null | undefined): number {
  if (value === null || value === undefined) return NaN
  return typeof value === 'number' ? value : Number(value)
}

export function formatCell(value: CellValue | null | undefined): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return formatNumber(value)
  if (value === 'Infinity') return '∞'
  if (value === '-Infinity') return '−∞'
  return value
}

export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return ''
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const whole = Math.round(seconds)
  const days = Math.floor(whole / 86_400)
  const hours = Math.floor((whole % 86_400) / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} m`
  return `${minutes} m ${whole % 60} s`
}

export function formatAgo(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - thenMs) / 1000)
  if (seconds < 5) return 'now'
  if (seconds < 60) return `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`
  return formatDate(thenMs).slice(0, 10)
}

const two = (n: number) => String(n).padStart(2, '0')

/** Local time, sortable, the same in every locale. */
export function formatDate(ms: number): string {
  const d = new Date(ms)
  return (
    `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
  )
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = ''
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`
}

/** Keeps both ends of a long path or id. */
export function middleEllipsis(text: string, max: number): string {
  if (text.length <= max) return text
  const head = Math.ceil((max - 1) / 2)
  return `${text.slice(0, head)}…${text.slice(text.length - (max - 1 - head))}`
}
