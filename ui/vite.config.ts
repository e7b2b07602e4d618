import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** The page of the frame in which stored figures are drawn. It loads nothing: its one script is in it. */
const figureFrame: Plugin = {
  name: 'figure-frame',
  apply: 'build',
  generateBundle() {
    const library = createRequire(import.meta.url).resolve('plotly.js-cartesian-dist-min')
    const read = (path: string | URL) => readFileSync(path, 'utf8')
    const frame = (name: string) => read(new URL(`./frames/${name}`, import.meta.url))
    const script = `${read(library)}\n${frame('plot.js')}`.replaceAll('</script', '<\\/script')
    const hash = createHash('sha256').update(script).digest('base64')
    const page = frame('plot.html')
      .replace('SCRIPT-HASH', () => `'sha256-${hash}'`)
      .replace('<script></script>', () => `<script>${script}</script>`)
    this.emitFile({ type: 'asset', fileName: 'frames/plot.html', source: page })
  },
}

// `npm run dev` talks to a server that already runs; the page itself always asks its own origin.
const backend = process.env.SLIPWAY_URL ?? 'http://127.0.0.1:5757'

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), figureFrame],
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  build: {
    target: 'safari16',
    // The content policy allows neither inline scripts nor data: fonts.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(
      ['/api', '/ajax-api', '/files', '/frames', '/health', '/version'].map((path) => [
        path,
        {
          target: backend,
          changeOrigin: true,
          // The server refuses an Origin that is not its own.
          headers: { origin: backend },
        },
      ]),
    ),
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts'],
  },
}))
