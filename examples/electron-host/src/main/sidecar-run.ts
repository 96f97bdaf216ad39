/**
 * One run of the sidecar: a child process, from its start to its end.
 *
 * Law: no shell; `ended` resolves once, whatever happens, after the last line was read; from then on no process of it is
 * left and every request is settled. It does not decide whether there will be another run.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { llmErrorOf } from '../shared/llm-error'
import type { InitializeParams, InitializeResult } from '../shared/protocol'
import { PROTOCOL_VERSION } from '../shared/protocol'
import type { SidecarCommand } from './find-sidecar'
import { SidecarClient, type NotificationListener } from './sidecar-client'
import { broken, ended, otherVersion, refused, slow, unresponsive, type Failure, type RunEnd } from './sidecar-failure'
import { StderrLog, type Log } from './stderr-log'

/** Milliseconds. */
export interface RunTimes {
  handshakeMs: number
  pingEveryMs: number
  pingDeadlineMs: number
  /** How long running answers may go on when it is stopped, and how long the whole stop may take. */
  shutdownMs: number
  stopMs: number
}

export const RUN_TIMES: RunTimes = {
  handshakeMs: 20_000,
  pingEveryMs: 5_000,
  pingDeadlineMs: 5_000,
  shutdownMs: 500,
  stopMs: 2_500
}

/** How long output may follow the end of a process whose pipes somebody else still holds. */
const LAST_LINES_MS = 500

export class SidecarRun {
  readonly client: SidecarClient
  /** Why it ended. */
  readonly ended: Promise<Failure>
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  private readonly stderr: StderrLog
  private readonly killAtExit = (): void => void this.child.kill('SIGKILL')
  private over = false
  /** Set where we ended it; else its exit says why. */
  private failure: Failure | null = null
  private health: NodeJS.Timeout | undefined

  constructor(
    command: SidecarCommand,
    args: string[],
    env: NodeJS.ProcessEnv,
    private readonly times: RunTimes,
    log: Log,
    onNotification: NotificationListener
  ) {
    this.child = spawn(command.file, [...command.args, ...args], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      shell: false,
      windowsHide: true
    })
    this.stderr = new StderrLog(this.child.stderr, log)
    this.client = new SidecarClient(this.child.stdin, this.child.stdout, onNotification, (reason) =>
      this.fail(broken(reason))
    )
    this.ended = this.end()
    process.once('exit', this.killAtExit)
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  /** Null: it failed, and `ended` says how. */
  async handshake(params: InitializeParams): Promise<InitializeResult | null> {
    try {
      const result = await this.client.request('initialize', params, { timeoutMs: this.times.handshakeMs })
      if (result?.protocolVersion !== PROTOCOL_VERSION) {
        this.fail(otherVersion(result?.protocolVersion, PROTOCOL_VERSION))
        return null
      }
      const { maxMessageBytes } = result.limits ?? {}
      if (maxMessageBytes !== undefined) this.client.agree(maxMessageBytes)
      this.watch()
      return result
    } catch (thrown) {
      const error = llmErrorOf(thrown)
      if (error.code === 'TIMEOUT') this.fail(slow(this.times.handshakeMs))
      else if (error.code !== 'SIDECAR_EXITED') this.fail(refused(error))
      return null
    }
  }

  /** End it in good order, or in `stopMs` at the latest. */
  async stop(): Promise<void> {
    clearTimeout(this.health)
    const atLast = setTimeout(() => this.child.kill('SIGKILL'), this.times.stopMs)
    const { shutdownMs, stopMs } = this.times
    await this.client.request('shutdown', { deadlineMs: shutdownMs }, { timeoutMs: stopMs }).catch(() => undefined)
    if (!this.over) {
      try {
        this.client.notify('exit', {})
      } catch {
        // It does not read; the end of stdin, and then `atLast`, will do.
      }
      this.child.stdin.end()
    }
    await this.ended
    clearTimeout(atLast)
  }

  private fail(failure: Failure): void {
    this.failure ??= failure
    this.child.kill('SIGKILL')
  }

  private async end(): Promise<Failure> {
    const end = await new Promise<RunEnd>((resolve) => {
      const told = (exitCode: number | null, signal: NodeJS.Signals | null, spawnError: Error | null): void =>
        resolve({ exitCode, signal, spawnError, lastLines: this.stderr.lastLines })
      this.child.once('error', (error) => {
        if (this.child.pid === undefined) told(null, null, error)
      })
      this.child.once('close', (code, signal) => told(code, signal, null))
      this.child.once('exit', (code, signal) => setTimeout(() => told(code, signal, null), LAST_LINES_MS).unref())
    })
    this.over = true
    clearTimeout(this.health)
    process.removeListener('exit', this.killAtExit)
    this.child.stdout.destroy()
    this.child.stderr.destroy()
    const failure = this.failure ?? ended(end)
    this.client.close({ code: 'SIDECAR_EXITED', message: failure.message, retryable: true })
    return failure
  }

  /**
   * Anything it says is a sign of life. The deadline is looked at one turn of the event loop later, so that what came
   * while this process (or the whole computer) slept is read first.
   */
  private watch(): void {
    this.health = setTimeout(() => {
      const before = this.client.received
      this.client.request('ping', {}).catch(() => undefined)
      this.health = setTimeout(() => {
        setImmediate(() => {
          if (this.over) return
          if (this.client.received === before) this.fail(unresponsive(this.times.pingDeadlineMs))
          else this.watch()
        })
      }, this.times.pingDeadlineMs)
    }, this.times.pingEveryMs)
  }
}
