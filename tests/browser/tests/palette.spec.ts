import { expect, experimentId, open, test } from './slipway'

const query = (page: import('@playwright/test').Page) =>
  page.getByRole('combobox', { name: 'Search or run a command' })

test('the palette has the actions of the open screen with their keys, and runs them', async ({ page }) => {
  await open(page, '/runs')
  await expect(page.getByRole('heading', { name: 'Runs', level: 1 })).toBeAttached()
  await page.keyboard.press('Control+k')
  await query(page).fill('choose col')
  const action = page.getByRole('option', { name: /Choose columns/ })
  await expect(action.locator('kbd')).toHaveText('c')
  await page.keyboard.press('Enter')
  await expect(page.getByPlaceholder('Find, or /regular expression/')).toBeFocused()
})

test('what was used lately comes first, letters find words', async ({ page }) => {
  await open(page, '/home')
  await page.keyboard.press('Control+k')
  await query(page).fill('tdk')
  await expect(page.getByRole('option').first()).toContainText('Theme: dark')
  await page.keyboard.press('Enter')
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await page.keyboard.press('Control+k')
  await expect(page.getByRole('option').first()).toContainText('Theme: dark')
})

test('an equals sign filters the runs', async ({ page }) => {
  const id = await experimentId('fraud-detection')
  await open(page, `/runs?experiments=${id}`)
  await page.keyboard.press('Control+k')
  await query(page).fill("= attributes.run_name = 'nothing is called this'")
  await page.keyboard.press('Enter')
  await expect(page.getByText(/^0 of \d+ runs?\./)).toBeVisible()
  expect(page.url()).toContain(`experiments=${id}`)
})

test('two keys go to a section; single letters can be switched off', async ({ page }) => {
  await open(page, '/home')
  await expect(page.locator('main h1').first()).toBeAttached()
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await expect(page).toHaveURL(/#\/runs/)
  await open(page, '/settings')
  await page.getByRole('switch', { name: /single/i }).click()
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(page).toHaveURL(/#\/settings/)
})
