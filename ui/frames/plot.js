// Draws the figure that the page sends. This frame has no origin, no network and no access to the page.
;(function () {
  'use strict'
  const figure = document.getElementById('figure')
  const tell = (message) => parent.postMessage(message, '*')
  addEventListener('message', (event) => {
    if (event.source !== parent || !event.data || event.data.kind !== 'figure') return
    const layout = Object.assign({}, event.data.layout, { autosize: true })
    delete layout.width
    delete layout.height
    const config = { responsive: true, displaylogo: false, showLink: false }
    try {
      window.Plotly.newPlot(figure, event.data.data, layout, config).then(
        () => tell({ kind: 'drawn' }),
        (error) => tell({ kind: 'failed', message: String(error && error.message ? error.message : error) }),
      )
    } catch (error) {
      tell({ kind: 'failed', message: String(error && error.message ? error.message : error) })
    }
  })
  tell({ kind: window.Plotly ? 'ready' : 'failed', message: 'Plotly could not be loaded' })
})()
