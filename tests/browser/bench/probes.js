// Runs inside the page under measurement, in Chromium and in the desktop window alike. It notes when rows appeared in
// the document and when charts were painted, without knowing how the page is made: it watches the document and the
// canvases. It must change nothing that the page does.
;(() => {
  if (window.slipwayBench) return
  const QUIET_MS = 400
  const LIMIT_MS = 60_000
  /** Axes and their grids take a handful of strokes; a chart with lines takes more in one frame. */
  const LINE_STROKES = 10

  /** By canvas: when it was last stroked and shown, and how many strokes that frame had. */
  let painted = new Map()
  /** Canvases that were stroked and are not on screen yet. */
  let fresh = new Set()
  let rowsAt = 0
  let firstRowsAt = 0
  let pending = 0
  let answeredAt = 0

  function note(canvas, strokes) {
    const now = performance.now()
    const seen = painted.get(canvas) ?? { stroked: 0, at: 0, strokes: 0, first: 0, lines: false }
    seen.strokes = now - seen.stroked > 8 ? strokes : seen.strokes + strokes
    seen.stroked = now
    seen.lines ||= seen.strokes >= LINE_STROKES
    painted.set(canvas, seen)
    if (fresh.size === 0) void afterPaint().then(shown)
    fresh.add(seen)
  }
  const { stroke, drawImage } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.stroke = function (...args) {
    note(this.canvas, 1)
    return stroke.apply(this, args)
  }
  // Many lines may come at once, as pixels.
  CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    note(this.canvas, LINE_STROKES)
    return drawImage.apply(this, args)
  }

  /** Strokes are only noted down; what takes long is the frame that carries them out. */
  function shown(now) {
    for (const seen of fresh) {
      seen.at = now
      if (seen.first === 0 && seen.lines) seen.first = now
    }
    fresh = new Set()
  }

  const fetchPlainly = window.fetch
  window.fetch = async function (...args) {
    const url = String(args[0]?.url ?? args[0])
    // The stream of events never ends.
    if (/events/.test(url)) return fetchPlainly.apply(this, args)
    pending += 1
    const answered = () => {
      pending -= 1
      answeredAt = performance.now()
    }
    let response
    try {
      response = await fetchPlainly.apply(this, args)
    } catch (error) {
      answered()
      throw error
    }
    // Charts come one by one in one answer, which has ended when the last of them is there.
    if (/series\/batch/.test(url) && response.body) untilEnd(response.body, answered)
    else answered()
    return response
  }
  function untilEnd(body, ended) {
    const getReader = body.getReader.bind(body)
    body.getReader = () => {
      const reader = getReader()
      const read = reader.read.bind(reader)
      let open = true
      const end = () => {
        if (open) ended()
        open = false
      }
      reader.read = () =>
        read().then(
          (piece) => {
            if (piece.done) end()
            return piece
          },
          (error) => {
            end()
            throw error
          },
        )
      return reader
    }
  }

  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
  /** After the frame that is being made has been handed over. */
  const afterPaint = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => resolve(performance.now())
        channel.port2.postMessage(0)
      }),
    )

  /** Plots that draw with SVG: each with ten lines or more, and when one of them last changed. */
  let plotsAt = 0
  let firstPlotAt = 0
  const plots = () =>
    window.slipwayBench.plots
      ? [...document.querySelectorAll(window.slipwayBench.plots)].filter(
          (plot) => plot.querySelectorAll('path.js-line').length >= LINE_STROKES,
        ).length
      : 0
  const rowSelector = () => window.slipwayBench.rows
  const rowsNow = () =>
    [...document.querySelectorAll(rowSelector())]
      .map((row) => row.textContent.trim())
      .filter((text) => text !== '')
      .join('|')
  let rowsBefore = ''
  let looking = false
  /** While frames are timed, what the probes do themselves must not count. */
  let timing = false
  new MutationObserver(async () => {
    if (looking || timing || !window.slipwayBench) return
    looking = true
    const found = await afterPaint()
    looking = false
    if (plots() > 0) {
      plotsAt = found
      if (firstPlotAt === 0) firstPlotAt = found
    }
    const rows = rowsNow()
    if (rows === rowsBefore) return
    if (firstRowsAt === 0 && rows !== '') firstRowsAt = found
    rowsBefore = rows
    rowsAt = found
  }).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ['d'] })

  /** The grid's scroller: the nearest ancestor of a row that scrolls. */
  function scroller() {
    let element = document.querySelector(rowSelector())
    while (
      element &&
      !(
        element.scrollHeight > element.clientHeight + 50 &&
        /auto|scroll/.test(getComputedStyle(element).overflowY)
      )
    )
      element = element.parentElement
    return element
  }

  window.slipwayBench = {
    rows: '[role=row][data-row]',

    /**
     * Does something and waits until nothing happens any more. In milliseconds from its start: the first and the last
     * change of the rows, the first chart with lines, the last paint of a chart, and how many charts were painted.
     */
    async measure(action, { rows = false, charts = 0 } = {}) {
      painted = new Map()
      rowsBefore = rowsNow()
      rowsAt = firstRowsAt = plotsAt = firstPlotAt = 0
      const began = performance.now()
      answeredAt = began
      await action()
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        const now = performance.now()
        const lines = [...painted.values()].filter((seen) => seen.first > 0)
        const lastPaint = Math.max(plotsAt, ...[...painted.values()].map((seen) => seen.at))
        const drawn = lines.length + plots()
        const enough = (!rows || firstRowsAt > 0) && drawn >= charts
        if (enough && pending === 0 && now - Math.max(rowsAt, lastPaint, answeredAt) > QUIET_MS) {
          const since = (at) => (at > 0 ? at - began : null)
          return {
            firstRows: since(firstRowsAt),
            rows: since(rowsAt),
            firstChart:
              lines.length > 0 ? since(Math.min(...lines.map((seen) => seen.first))) : since(firstPlotAt),
            // When the last of them had lines for the first time, and when nothing more came.
            allCharts:
              lines.length > 0 ? since(Math.max(...lines.map((seen) => seen.first))) : since(firstPlotAt),
            charts: since(lastPaint),
            painted: drawn,
          }
        }
        if (now - began > LIMIT_MS)
          throw new Error(
            `nothing came to rest: rows ${firstRowsAt > 0}, ${drawn} of ${charts} charts, ${pending} requests`,
          )
      }
    },

    go(hash) {
      location.hash = hash
    },

    /** Scrolls by so much every frame; how long the frames took. */
    async scroll(down, right, frames) {
      const box = scroller()
      if (!box) throw new Error('there is nothing to scroll')
      timing = true
      let { scrollTop, scrollLeft } = box
      let before = await frame()
      const took = []
      for (let i = 0; i < frames; i++) {
        // Not read back, which would make the page lay out twice a frame.
        scrollTop = Math.max(0, scrollTop + down)
        scrollLeft = Math.max(0, scrollLeft + right)
        box.scrollTo(scrollLeft, scrollTop)
        const now = await frame()
        took.push(now - before)
        before = now
      }
      timing = false
      return took
    },

    /** Moves the pointer over a chart; how long each move kept the page busy, painting included. */
    async crosshair(selector, moves) {
      const over = document.querySelector(selector)
      const box = over.getBoundingClientRect()
      const took = []
      for (let i = 0; i < moves; i++) {
        await frame()
        const at = {
          bubbles: true,
          clientX: box.left + 5 + ((box.width - 10) * ((i * 37) % moves)) / moves,
          clientY: box.top + box.height / 2,
        }
        const began = performance.now()
        if (i === 0) {
          over.dispatchEvent(new PointerEvent('pointerenter', at))
          over.dispatchEvent(new MouseEvent('mouseenter', at))
        }
        over.dispatchEvent(new PointerEvent('pointermove', at))
        over.dispatchEvent(new MouseEvent('mousemove', at))
        const handled = performance.now() - began
        // What was put off to the frame, without the wait for the frame.
        const frameBegan = await new Promise((resolve) =>
          requestAnimationFrame(() => resolve(performance.now())),
        )
        const channel = new MessageChannel()
        const ended = await new Promise((resolve) => {
          channel.port1.onmessage = () => resolve(performance.now())
          channel.port2.postMessage(0)
        })
        took.push(handled + (ended - frameBegan))
      }
      return took
    },

    press(selector, key) {
      const element = document.querySelector(selector)
      element.focus()
      element.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
    },

    /** Logs a point after all others as a client does, and waits for it to be painted. */
    async newPoint(run_id, key) {
      const run = await (await fetchPlainly(`/api/2.0/mlflow/runs/get?run_id=${run_id}`)).json()
      const last = run.run.data.metrics.find((metric) => metric.key === key)
      const step = Number(last?.step ?? 0) + 1
      const value = Number(last?.value ?? 1) + Math.random()
      painted = new Map()
      const began = performance.now()
      const answer = await fetchPlainly('/api/2.0/mlflow/runs/log-metric', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ run_id, key, value, step, timestamp: Date.now() }),
      })
      if (!answer.ok) throw new Error(`the point was refused: ${answer.status}`)
      while (![...painted.values()].some((seen) => seen.at > 0)) {
        if (performance.now() - began > LIMIT_MS) throw new Error('the point was never painted')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const at = [...painted.values()].map((seen) => seen.at).filter((at) => at > 0)
      return Math.min(...at) - began
    },
  }
})()
