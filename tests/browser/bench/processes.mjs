// Programs that the measurement starts, and what they take. Each is ended by its own id.
// @ts-check

import { chromium } from '@playwright/test'
import { spawn } from 'node:child_process'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`)
/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** @type {import('node:child_process').ChildProcess[]} */
const started = []

/** @param {string} program @param {string[]} args @param {string} log @param {Record<string, string>} env */
export function start(program, args, log, env = {}) {
  const out = openSync(log, 'a')
  const child = spawn(program, args, { stdio: ['ignore', out, out], env: { ...process.env, ...env } })
  started.push(child)
  return child
}

/** @param {import('node:child_process').ChildProcess} child */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await gone
  clearTimeout(late)
}

export async function endAll() {
  for (const child of started) await end(child)
}

/** @param {string} url */
export async function answers(url) {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}

/** @param {() => Promise<boolean>} look @param {string} what @param {number} [limitMs] */
export async function until(look, what, limitMs = 120_000) {
  const began = Date.now()
  while (!(await look())) {
    if (Date.now() - began > limitMs) throw new Error(`waited too long for ${what}`)
    await sleep(100)
  }
}

/** @returns {Promise<number>} */
export const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** Does something with a Chromium of its own, and ends that.
 *  @template T
 *  @param {(browser: import('@playwright/test').Browser, pid: number) => Promise<T>} use */
export async function withChromium(use) {
  const server = await chromium.launchServer({
    executablePath: process.env.SLIPWAY_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  const browser = await chromium.connect(server.wsEndpoint())
  try {
    return await use(browser, server.process().pid ?? 0)
  } finally {
    await browser.close()
    await server.close()
  }
}

/** Proportional memory of a process and all that descend from it, in MB; says what each has.
 *  @param {number} root @param {string} what */
export function memoryMb(root, what) {
  /** @type {Map<number, number[]>} */
  const children = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // It ended meanwhile.
    }
  }
  /** @type {[string, number][]} */
  const parts = []
  const waiting = [root]
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    waiting.push(...(children.get(pid) ?? []))
    try {
      const kb = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
      const type = /--type=([\w-]+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1]
      parts.push([type ?? 'main', Number(kb ?? 0) / 1024])
    } catch {
      // It ended meanwhile.
    }
  }
  parts.sort(([, a], [, b]) => b - a)
  say(`${what}: ${parts.map(([name, mb]) => `${name} ${Math.round(mb)}`).join(', ')}`)
  return parts.reduce((sum, [, mb]) => sum + mb, 0)
}

/** Processor time that a process has taken, in milliseconds; the kernel counts in hundredths of a second.
 *  @param {number} pid */
export function processorMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
