import './locale'
import './design/fonts.css'
import './design/tokens.css'
import './design/base.css'
import 'uplot/dist/uPlot.min.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { session } from './api/session.svelte'
import { router } from './app/router.svelte'
import { host } from './host'

session.adopt()
router.refresh()

const target = document.getElementById('app')
if (target) mount(App, { target })

// Two frames later the first picture is on the screen, not just in the page.
requestAnimationFrame(() => requestAnimationFrame(() => void host.firstPaint().catch(() => undefined)))
