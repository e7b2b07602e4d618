// A server of a test's own: one that can be ended and started again, or that holds nothing but what the test put there.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PATIENCE_MS = 20_000

/** A port that nobody has now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

export class Server {
  private process: ChildProcess | null = null

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly more: string[],
  ) {}

  /** `more`: further arguments of `slipway serve`. */
  static async start(...more: string[]): Promise<Server> {
    const server = new Server(mkdtempSync(join(tmpdir(), 'slipway-own-')), await freePort(), more)
    await server.begin()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The secret of this start. */
  get token(): string {
    const said = JSON.parse(readFileSync(join(this.folder, 'data', 'server.json'), 'utf8')) as {
      token: string
    }
    return said.token
  }

  async begin(): Promise<void> {
    const program = process.env.SLIPWAY_BIN
    if (!program)
      throw new Error('SLIPWAY_BIN is not set: it names the program to start. script/test sets it.')
    const args = ['serve', '--port', String(this.port), '--data-dir', join(this.folder, 'data'), ...this.more]
    this.process = spawn(program, args, { stdio: 'ignore' })
    const ended = new Promise<never>((_, reject) => {
      this.process?.once('error', reject)
      this.process?.once('exit', (code) => reject(new Error(`the server ended at once, with ${code}`)))
    })
    ended.catch(() => undefined)
    const deadline = Date.now() + PATIENCE_MS
    while (Date.now() < deadline) {
      const answered = await Promise.race([
        fetch(`${this.url}/health`).then(
          (response) => response.ok,
          () => false,
        ),
        ended,
      ])
      if (answered) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`the server did not answer on port ${this.port} within ${PATIENCE_MS} ms`)
  }

  /** Ends it, and waits until it is gone. The folder stays. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const running = this.process
    if (!running || running.exitCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    await gone
    this.process = null
  }

  async remove(): Promise<void> {
    await this.end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** MLflow's API of this server. */
  async mlflow<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(`${this.url}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as T
  }
}
