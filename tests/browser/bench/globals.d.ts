// What probes.js puts into the page.

interface Measured {
  firstRows: number
  rows: number
  firstChart: number
  allCharts: number
  charts: number
  painted: number
}

declare const slipwayBench: {
  rows: string
  plots?: string
  measure(action: () => unknown, wish?: { rows?: boolean; charts?: number }): Promise<Measured>
  go(hash: string): void
  scroll(down: number, right: number, frames: number): Promise<number[]>
  crosshair(selector: string, moves: number): Promise<number[]>
  press(selector: string, key: string): void
  newPoint(run_id: string, key: string): Promise<number>
}

interface Window {
  slipwayBench: typeof slipwayBench
}
