import { chromium } from '@playwright/test'
import { readFileSync } from 'node:fs'
const s = JSON.parse(readFileSync(process.env.DATA ?? '/tmp/slipway/data/modelsui2/server.json'))
const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const theme = process.argv[2]
for (const arg of process.argv.slice(3)) {
  const [name, place, ...steps] = arg.split('|')
  const p = await b.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: theme })
  p.on('pageerror', (e) => console.log(name, 'ERR', String(e)))
  p.on('console', (m) => { if (['error','warning'].includes(m.type())) console.log(name, m.type(), m.text().slice(0, 300)) })
  await p.goto(`${s.address}/#token=${s.token}&go=${encodeURIComponent(place)}`)
  await p.waitForTimeout(1800)
  for (const step of steps) { const [kind, ...rest] = step.split('='); const v = rest.join('=')
    if (kind === 'click') await p.locator(v).first().click()
    else if (kind === 'key') await p.keyboard.press(v)
    else if (kind === 'fill') { const [sel, t] = v.split('~'); await p.locator(sel).first().fill(t) }
    await p.waitForTimeout(900) }
  await p.screenshot({ path: `/tmp/slipway/shots-m/${name}-${theme}.png` })
  await p.close()
}
await b.close()
