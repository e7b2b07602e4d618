// What people do with models by hand: bringing in files, moving stages, going back although files changed, renaming,
// deleting, and looking at what webhooks were told.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server as Receiver } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locator, Page } from '@playwright/test'
import { Server } from './server'
import { expect, test } from './slipway'

const encoded = encodeURIComponent
let server: Server
let files: string

test.beforeAll(async () => {
  server = await Server.start('--webhooks-to-private')
  files = mkdtempSync(join(tmpdir(), 'slipway-models-'))
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  writeFileSync(join(files, 'weights.safetensors'), Buffer.concat([length, header, Buffer.alloc(8)]))
  const gguf = Buffer.alloc(24)
  gguf.write('GGUF')
  gguf.writeUInt32LE(3, 4)
  writeFileSync(join(files, 'chat.gguf'), gguf)
  // IR version 8, then who made it.
  writeFileSync(join(files, 'net.onnx'), Buffer.from([0x08, 0x08, 0x12, 0x04, ...Buffer.from('test')]))
  writeFileSync(join(files, 'forest.pkl'), Buffer.from([0x80, 0x04, 0x4e, 0x2e]))
})
test.afterAll(async () => {
  await server.remove()
  rmSync(files, { recursive: true, force: true })
})

async function open(page: Page, place: string) {
  await page.goto('about:blank')
  await page.goto(`${server.url}/#token=${server.token}&go=${encoded(place)}`)
  await expect(page.locator('.window').first()).toBeVisible()
}

async function own<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${server.url}/api/slipway/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${server.token}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

const register = (name: string, file: string) =>
  own<{ version: number }>('/models/register', { name, source: { kind: 'path', path: join(files, file) } })
const setAlias = (name: string, alias: string, version: number) =>
  server.mlflow('registered-models/alias', { name, alias, version: String(version) })
const row = (page: Page, key: string): Locator => page.locator(`[role=row][data-key="${key}"]`)
const holder = (page: Page, target: string): Locator =>
  page
    .getByRole('list', { name: 'Aliases and stages' })
    .getByRole('button', { name: new RegExp(`^${target},`) })

test('an empty registry says how to begin, and so do webhooks', async ({ page }) => {
  await open(page, '/models')
  await expect(page.getByText('No models yet')).toBeVisible()
  await expect(page.getByLabel('How to register a model')).toContainText(server.url)
  await page.getByRole('button', { name: 'Register a file or folder…' }).click()
  await expect(page.getByRole('dialog', { name: 'Register a model' })).toBeVisible()
  await page.keyboard.press('Escape')
  await open(page, '/webhooks')
  await expect(page.getByText('No webhooks')).toBeVisible()
})

test('files of every kind are found in a folder and registered; a pickle is marked', async ({ page }) => {
  await open(page, `/inspect?path=${encoded(files)}`)
  const dialog = page.getByRole('dialog')
  for (const [file, said] of [
    ['net.onnx', 'ONNX'],
    ['weights.safetensors', 'safetensors'],
    ['chat.gguf', 'GGUF'],
    ['forest.pkl', 'pickle'],
  ] as const) {
    await page.getByRole('button', { name: `Register ${file}` }).click()
    await expect(dialog).toContainText(new RegExp(said, 'i'))
    const [name = ''] = file.split('.')
    await expect(dialog.getByRole('combobox', { name: /Model/ })).toHaveValue(name)
    await dialog.getByRole('button', { name: 'Register', exact: true }).click()
    await expect(page.getByRole('heading', { name: `${name} v1` })).toBeVisible()
    const warnings = page.getByRole('list', { name: 'Warnings' })
    if (file.endsWith('.pkl')) await expect(warnings).toContainText('pickle')
    else await expect(warnings).toHaveCount(0)
    await page.goBack()
  }
  // By path, as the next version of a model that is there.
  await open(page, '/models')
  await page.getByRole('button', { name: 'Register…' }).click()
  await dialog.getByRole('textbox', { name: /Path of a file/ }).fill(join(files, 'net.onnx'))
  await dialog.getByRole('button', { name: 'Look' }).click()
  await expect(dialog).toContainText('Becomes its next version')
  await dialog.getByRole('button', { name: 'Register', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'net v2' })).toBeVisible()
})

test('a model file among the files of a run is registered where it is looked at', async ({ page }) => {
  const { run } = await server.mlflow<{ run: { info: { run_id: string; artifact_uri: string } } }>(
    'runs/create',
    { experiment_id: '0', run_name: 'trained', start_time: Date.now() },
  )
  const place = run.info.artifact_uri.replace('mlflow-artifacts:/', '')
  await fetch(`${server.url}/api/2.0/mlflow-artifacts/artifacts/${place}/out/best.onnx`, {
    method: 'PUT',
    body: Buffer.from([0x08, 0x08, 0x12, 0x04, ...Buffer.from('test')]),
  })
  await open(page, `/run/${run.info.run_id}?tab=artifacts`)
  await page.getByRole('treeitem', { name: /out/ }).click()
  await page.getByRole('treeitem', { name: /best\.onnx/ }).click()
  await page
    .getByRole('button', { name: /Register/ })
    .first()
    .click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('combobox', { name: /Model/ }).fill('from the files')
  await dialog.getByRole('button', { name: 'Register', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'from the files v1' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'trained', exact: true }).first()).toBeVisible()
})

test('a rollback to files that changed is refused until somebody insists', async ({ page }) => {
  const name = 'changed 50 % 模型'
  await register(name, 'weights.safetensors')
  await register(name, 'weights.safetensors')
  await setAlias(name, 'champion', 1)
  await setAlias(name, 'champion', 2)
  const { location } = await own<{ location: string }>(`/models/version?name=${encoded(name)}&version=1`)
  const { data_dir } = await own<{ data_dir: string }>('/info')
  const kept = join(data_dir, 'artifacts', location.replace('mlflow-artifacts:/', ''), 'weights.safetensors')
  expect(existsSync(kept), kept).toBe(true)
  writeFileSync(kept, 'somebody was here')

  await open(page, `/models/${encoded(name)}`)
  await holder(page, '@champion').click()
  await page.getByRole('menuitem', { name: /^v1 / }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('was not rolled back to v1')
  await expect(dialog.getByRole('status')).toContainText('weights.safetensors')
  await dialog.getByRole('button', { name: 'Leave it' }).click()
  await expect(dialog).toBeHidden()
  await expect(holder(page, '@champion')).toContainText('v2')
  await holder(page, '@champion').click()
  await page.getByRole('menuitem', { name: /^v1 / }).click()
  await dialog.getByRole('textbox', { name: /Note/ }).fill('the file was repaired by hand')
  await dialog.getByRole('button', { name: 'Roll back nevertheless' }).click()
  await expect(holder(page, '@champion')).toContainText('v1')
  await page.getByRole('tab', { name: 'History' }).click()
  const first = page.getByRole('region', { name: 'History' }).getByRole('listitem').first()
  await expect(first).toContainText('Rollback: @champion moved from v2 to v1')
  await expect(first).toContainText('the file was repaired by hand')
})

test('a stage is moved, refused by a rule that the page made, and given back', async ({ page }) => {
  const name = 'staged'
  await register(name, 'net.onnx')
  await register(name, 'net.onnx')
  await open(page, `/models/${encoded(name)}?tab=rules`)
  const panel = page.getByRole('tabpanel')
  await panel.getByRole('combobox', { name: 'Rule' }).selectOption('tag')
  await panel
    .getByRole('textbox', { name: /Tag|Key/ })
    .first()
    .fill('reviewed')
  await panel.getByRole('button', { name: 'Add the rule' }).click()
  await expect(panel.getByRole('listitem')).toContainText('reviewed')

  const sheet = page.getByRole('dialog')
  const move = async (version: number) => {
    await open(page, `/models/${encoded(name)}/versions/${version}`)
    await page.getByRole('button', { name: 'More actions' }).click()
    await page.getByRole('menuitem', { name: 'Move to Staging…' }).click()
    await expect(sheet.getByRole('region', { name: 'Rules' })).toContainText('reviewed')
  }
  await move(1)
  await expect(sheet).toContainText('it would be refused')
  await expect(sheet.getByRole('button', { name: 'Promote to Staging' })).toBeDisabled()
  const stage = { name, version: '1', stage: 'Staging', archive_existing_versions: false }
  await expect(server.mlflow('model-versions/transition-stage', stage)).rejects.toThrow(
    /PERMISSION_DENIED.*reviewed/s,
  )
  for (const version of ['1', '2'])
    await server.mlflow('model-versions/set-tag', { name, version, key: 'reviewed', value: 'yes' })
  await move(1)
  await expect(sheet).toContainText('not measured')
  await expect(sheet).toContainText(`models:/${name}/Staging`)
  await sheet.getByRole('button', { name: 'Promote to Staging' }).click()
  await expect(page.getByText(/Staging of staged is version 1 now/)).toBeVisible()
  await move(2)
  await expect(sheet).toContainText('v1 goes to Archived')
  await sheet.getByRole('button', { name: 'Promote to Staging' }).click()
  await expect(page.getByText(/Staging of staged is version 2 now/)).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).first().click()
  await open(page, `/models/${encoded(name)}`)
  await expect(holder(page, 'Staging')).toContainText('v1')
})

test('a model is renamed with its history, and deleted after a question', async ({ page }) => {
  const name = 'Größe ? & 100 %'
  await register('before', 'chat.gguf')
  await open(page, '/models/before')
  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Rename…' }).click()
  const box = page.getByRole('textbox', { name: 'Name of the model' })
  await expect(box).toBeFocused()
  await box.fill('a/b')
  await page.keyboard.press('Enter')
  await expect(page.getByText(/cannot contain/)).toBeVisible()
  await box.fill(name)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name })).toBeVisible()
  await page.getByRole('tab', { name: 'History' }).click()
  await expect(page.getByRole('region', { name: 'History' }).getByRole('listitem').first()).toContainText(
    'before',
  )

  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Delete the model…' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('cannot be undone')
  await dialog.getByRole('textbox', { name: /Note/ }).fill('not used by anyone')
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText(`Deleted model ${name}.`)).toBeVisible()
  await expect(page.getByRole('grid', { name: 'Registered models' })).toBeVisible()
  await expect(row(page, name)).toHaveCount(0)
})

test('the filter offers what the server knows of all models', async ({ page }) => {
  await register('offered', 'chat.gguf')
  await server.mlflow('registered-models/set-tag', { name: 'offered', key: 'cost centre', value: "it's 7" })
  await setAlias('offered', 'shadow', 1)
  await open(page, '/models')
  const filter = page.getByRole('combobox', { name: 'Filter models' })
  await filter.fill('cost')
  await page.getByRole('option', { name: /tags\.`cost centre`/ }).click()
  await expect(filter).toHaveValue(/tags\.`cost centre` $/)
  await filter.pressSequentially('= ')
  await page.getByRole('option', { name: '"it\'s 7"' }).click()
  await filter.pressSequentially(" and alias = 'sha")
  await page.getByRole('option', { name: "'shadow'" }).click()
  await filter.press('Escape')
  await filter.press('Enter')
  await expect(page.locator('[role=row][data-key]')).toHaveCount(1)
  await expect(row(page, 'offered')).toContainText('@shadow')
})

test('a webhook hears of a move, and the page shows what it answered', async ({ page }) => {
  const heard: string[] = []
  let status = 400
  const receiver: Receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      heard.push(body)
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  try {
    await register('told', 'net.onnx')
    const hook = {
      name: 'chat',
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
      is_active: true,
    }
    await own('/webhooks', { ...hook, events: ['model_version_alias.created'], secret: 'never shown again' })
    await open(page, '/models/told/versions/1')
    await page.getByRole('button', { name: 'Promote…' }).click()
    const sheet = page.getByRole('dialog')
    await expect(sheet.getByRole('region', { name: 'What follows' })).toContainText('chat will be told')
    await sheet.getByRole('button', { name: 'Promote to @champion' }).click()
    await expect.poll(() => heard.length).toBe(1)
    expect(heard[0]).toContain('"alias":"champion"')

    await open(page, '/webhooks')
    expect(await page.content()).not.toContain('never shown again')
    await page.getByRole('button', { name: 'Deliveries of chat' }).click()
    const delivery = page.getByRole('row', { name: /told v1/ })
    await expect(delivery).toContainText('given up, 400')
    status = 200
    await delivery.getByRole('button', { name: /again/ }).click()
    await expect(delivery).toContainText('delivered, 200')
    expect(heard[1]).toBe(heard[0])
  } finally {
    receiver.closeAllConnections()
    receiver.close()
  }
})
