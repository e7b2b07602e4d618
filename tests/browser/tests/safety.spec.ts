import {
  expect,
  logMetric,
  mlflow,
  names,
  newExperiment,
  newRun,
  open,
  putArtifact,
  test,
  token,
  url,
} from './slipway'

const MARKUP = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>'

test('markup in names, tags, params, metrics and notes stays text', async ({ page }) => {
  const id = await newExperiment(`markup ${MARKUP}`)
  const run = await newRun(id, MARKUP)
  await mlflow('runs/set-tag', {
    run_id: run,
    key: 'mlflow.note.content',
    value: `# ${MARKUP}\n\n[click](javascript:window.ran=1)`,
  })
  await mlflow('runs/set-tag', { run_id: run, key: 'tag', value: MARKUP })
  await mlflow('runs/log-parameter', { run_id: run, key: 'param', value: MARKUP })
  await logMetric(run, 'loss', 0.5, 0)
  await logMetric(run, 'loss', 0.4, 1)
  await open(page, `/runs?experiments=${id}&cols=p:param,t:tag`)
  await expect.poll(() => names(page)).toEqual([MARKUP])
  await page.locator('.u-over').first().hover()
  await open(page, `/run/${run}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(MARKUP)
  await expect(page.locator('.markdown')).toContainText('<script>')
  await expect(page.locator('.markdown a')).toHaveCount(0)
  await open(page, '/home')
  await expect(page.getByRole('link', { name: MARKUP }).first()).toBeVisible()
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
  expect(await page.locator('img[src="x"]').count()).toBe(0)
})

test('an HTML artifact is shown and cannot run, reach the page or use the token', async ({
  page,
  faults,
}) => {
  const id = await newExperiment('html')
  const run = await newRun(id, 'html')
  await putArtifact(
    id,
    run,
    'page.html',
    `<h1 id="shown">A report</h1><script>
      document.getElementById('shown').textContent = 'it ran'
      try { parent.ran = 1 } catch {}
      fetch('${url}/api/slipway/v1/info')
    </script><img src=x onerror="parent.ran=1">`,
  )
  const stolen: string[] = []
  page.on('request', (request) => {
    if (request.frame() !== page.mainFrame() && request.url().includes('/api/')) stolen.push(request.url())
  })
  await open(page, `/run/${run}?tab=artifacts&file=page.html`)
  const frame = page.frameLocator('iframe')
  await expect(frame.locator('#shown')).toHaveText('A report')
  await expect(page.locator('iframe')).toHaveAttribute('sandbox', '')
  await page.waitForTimeout(500)
  await expect(frame.locator('#shown')).toHaveText('A report')
  expect(await page.evaluate(() => 'ran' in window)).toBe(false)
  expect(stolen).toEqual([])
  // The browser reports the scripts that it refused in the frame: that is what should happen.
  faults.length = 0
})

test('the token leaves the address bar and is in no link', async ({ page }) => {
  await open(page, '/runs')
  expect(page.url()).not.toContain(token)
  expect(await page.content()).not.toContain(token)
})

test('without the token the page says how to get in', async ({ page }) => {
  await page.goto(url)
  await expect(page.getByRole('heading', { name: 'This page needs its link' })).toBeVisible()
  await expect(page.getByText('slipway url')).toBeVisible()
  await page.getByRole('textbox').fill(`${url}/#token=${token}`)
  await page.getByRole('button', { name: 'Open' }).click()
  await expect(page.locator('.window')).toBeVisible()
})

test('a token of an earlier start is called expired', async ({ page }) => {
  await page.goto(`${url}/#token=${'0'.repeat(token.length)}`)
  await expect(page.getByRole('heading', { name: 'This link has expired' })).toBeVisible()
})
