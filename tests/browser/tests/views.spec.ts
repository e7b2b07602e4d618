import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, newExperiment, newRun, open, test } from './slipway'

const unique = (name: string) => `${name} ${Date.now().toString(36)}`

test('a view is saved, changed, reset, opened by its link and deleted with a way back', async ({ page }) => {
  const experiment = await newExperiment('views')
  await newRun(experiment, 'one')
  const name = unique('Seeds, val only')
  await open(page, `/runs?experiments=${experiment}&layout=1&sort=-a:start_ms`)
  await expect(page.getByRole('button', { name: /^View: none/ })).toBeVisible()
  await page.keyboard.press('Control+s')
  await page.getByRole('textbox', { name: 'Name' }).fill(name)
  await page.getByRole('dialog').getByRole('combobox').selectOption('')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  const menu = page.getByRole('button', { name: `View: ${name}` })
  await expect(menu).toBeVisible()

  await page.getByRole('combobox', { name: 'Filter runs' }).fill('one')
  await expect(page.getByRole('button', { name: `View: ${name}, changed` })).toBeVisible()
  await menu.click()
  await page.getByRole('menuitem', { name: 'Reset to saved' }).click()
  await expect(page.getByRole('combobox', { name: 'Filter runs' })).toHaveValue('')

  await open(page, `/view/${encodeURIComponent(name)}`)
  await expect(menu).toBeVisible()
  expect(page.url()).toContain('layout=1')

  await menu.click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await expect(page.getByText(`Deleted “${name}”`)).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).last().click()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Search or run a command' }).fill(name)
  await expect(page.getByRole('option', { name }).first()).toBeVisible()
})

test('a view in a project folder is a file that people edit', async ({ page }) => {
  const experiment = await newExperiment('views in a project')
  await newRun(experiment, 'one')
  const project = mkdtempSync(join(tmpdir(), 'slipway-project-'))
  const name = unique('project view')
  await open(page, `/runs?experiments=${experiment}`)
  await page.getByRole('button', { name: /^View: none/ }).click()
  await page.getByRole('menuitem', { name: /Save as/ }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill(name)
  await page.getByRole('dialog').getByRole('combobox').selectOption('new')
  await page.getByRole('textbox', { name: 'Project folder' }).fill(project)
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('button', { name: `View: ${name}` })).toBeVisible()

  const file = join(project, '.slipway', 'views', `${name.replaceAll(' ', '-')}.yaml`)
  const text = readFileSync(file, 'utf8')
  expect(text).toContain(`version: 1\nname: ${name}\n`)
  expect(text).toMatch(/experiments:\n- views in a project/)

  // Somebody edits it: the open page follows, and keeps what it does not know.
  writeFileSync(file, `${text}layout: 1\nlater: kept\n`)
  await expect(page).toHaveURL(/layout=1/)
  await page.getByRole('combobox', { name: 'Filter runs' }).fill('one')
  await expect(page.getByRole('button', { name: `View: ${name}, changed` })).toBeVisible()
  await page.keyboard.press('Control+s')
  await expect(page.getByRole('button', { name: `View: ${name}`, exact: true })).toBeVisible()
  expect(readFileSync(file, 'utf8')).toContain('later: kept')
  expect(readFileSync(file, 'utf8')).toContain('search: one')

  // And breaks it: the file stays as it is, and says what is wrong.
  writeFileSync(file, 'version: 1\nfilter: [unclosed\n')
  await open(page, `/view/${encodeURIComponent(name.replaceAll(' ', '-'))}`)
  await expect(page.getByRole('heading', { name: /cannot be read/ })).toBeVisible()
  expect(readFileSync(file, 'utf8')).toContain('[unclosed')
})
