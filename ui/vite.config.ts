import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** The library for stored figures, beside the page of the frame that uses it (public/frames). */
const plotlyForFrames: Plugin = {
  name: 'plotly-for-frames',
  apply: 'build',
  generateBundle() {
    const found = createRequire(import.meta.url).resolve('plotly.js-cartesian-dist-min')
    this.emitFile({ type: 'asset', fileName: 'frames/plotly.js', source: readFileSync(found, 'utf8') })
  },
}

// `npm run dev` talks to a server that already runs; the page itself always asks its own origin.
const backend = process.env.SLIPWAY_URL ?? 'http://127.0.0.1:5757'

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), plotlyForFrames],
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
