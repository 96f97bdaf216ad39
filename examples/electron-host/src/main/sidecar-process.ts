/**
 * The sidecar as the app sees it: always one, started again where it ends, until it is stopped.
 *
 * Law: at most one run at a time, the next begins after the last one's process is gone. A request made while there is no
 * run waits for one, within a deadline. Every change is told as a `SidecarState` that a window can show as it is.
 */
import type { SidecarFailure, SidecarState, Unsubscribe } from '../shared/api'
import { LlmError } from '../shared/llm-error'
import type { InitializeParams, SidecarMethods } from '../shared/protocol'
import { PROTOCOL_VERSION } from '../shared/protocol'
import { Listeners } from '../shared/listeners'
import type { SidecarCommand } from './find-sidecar'
import type { NotificationListener, RequestOptions } from './sidecar-client'
import { crashLoop, missing, type Failure } from './sidecar-failure'
import { RUN_TIMES, SidecarRun, type RunTimes } from './sidecar-run'
import { RESTART_RULES, RestartPolicy, type RestartRules } from './restart-policy'
import type { Log } from './stderr-log'
import type { VaultKey } from './vault-key'

export interface SidecarOptions {
  /** Looked up before each run, so that "try again" finds what was installed meanwhile. Null: none. */
  findCommand(): SidecarCommand | null
  dataDir: string
  client: { name: string; version: string }
  vaultKey(): Promise<VaultKey>
  log: Log
  env?: NodeJS.ProcessEnv
  times?: Partial<RunTimes & ProcessTimes>
  restart?: Partial<RestartRules>
  initialize?: Partial<InitializeParams>
}

/** Milliseconds. */
export interface ProcessTimes {
  /** After it, a start counts as slow, and the window says so. */
  slowAfterMs: number
  /** How long a request waits for a sidecar that (re)starts. */
  waitMs: number
}

const PROCESS_TIMES: ProcessTimes = { slowAfterMs: 3_000, waitMs: 30_000 }
/** At most 60 events a second for a stream, and fewer than its tokens; the first token never waits. */
const TOKEN_BATCHING = { maxDelayMs: 16, maxTokens: 256 }

export class SidecarProcess {
  readonly states = new Listeners<[SidecarState]>()
  readonly exits = new Listeners<[Failure]>()
  private readonly notifications = new Listeners<Parameters<NotificationListener>>()
  private readonly policy: RestartPolicy
  private readonly times: RunTimes & ProcessTimes
  private current: SidecarState = { state: 'starting', slow: false }
  private run: SidecarRun | null = null
  private supervised: Promise<void> | null = null
  private stopping = false
  private wake: () => void = () => undefined

  constructor(private readonly options: SidecarOptions) {
    this.times = { ...RUN_TIMES, ...PROCESS_TIMES, ...options.times }
    this.policy = new RestartPolicy({ ...RESTART_RULES, ...options.restart })
  }

  get state(): SidecarState {
    return this.current
  }

  get pid(): number | undefined {
    return this.run?.pid
  }

  start(): void {
    this.supervised ??= this.supervise()
  }

  /** Start afresh: after `failed`, during a wait, or in place of the run there is. */
  async restart(): Promise<void> {
    this.policy.reset()
    this.wake()
    if (this.current.state === 'ready') await this.run?.stop()
  }

  /** Afterwards there is no process, and there will be none. */
  async stop(): Promise<void> {
    this.stopping = true
    this.set({ state: 'stopped' })
    this.wake()
    await this.run?.stop()
    await this.supervised
  }

  /** Rejects with an `LlmError`: the sidecar's own, or why there is none. */
  async request<M extends keyof SidecarMethods>(
    method: M,
    params: SidecarMethods[M]['params'],
    options?: RequestOptions
  ): Promise<SidecarMethods[M]['result']> {
    if (this.current.state !== 'ready') await this.ready()
    if (options?.stillWanted?.() === false) throw new LlmError(NOT_WANTED)
    if (this.run === null) throw unavailable('The sidecar ended.')
    return this.run.client.request(method, params, options)
  }

  onNotification(listener: NotificationListener): Unsubscribe {
    return this.notifications.add(listener)
  }

  private async supervise(): Promise<void> {
    while (!this.stopping) {
      this.set({ state: 'starting', slow: false })
      const failure = await this.once()
      if (this.stopping) return
      this.options.log({ level: 'error', event: 'sidecar ended', code: failure.code, message: failure.message })
      const delay = failure.final ? null : this.policy.ended(performance.now())
      if (delay === null) {
        this.set({ state: 'failed', failure: told(failure.final ? failure : crashLoop(failure)) })
        await this.pause()
        this.policy.reset()
      } else {
        this.set({ state: 'restarting', attempt: this.policy.attempt, retryInMs: delay, failure: told(failure) })
        await this.pause(delay)
      }
    }
  }

  /** One run, from its start to its end. */
  private async once(): Promise<Failure> {
    const slowly = setTimeout(() => this.set({ state: 'starting', slow: true }), this.times.slowAfterMs)
    try {
      const command = this.options.findCommand()
      if (command === null) return missing('No sidecar was found on this computer.')
      const key = await this.options.vaultKey()
      if (this.stopping) return missing('The app is about to end.')
      const args = ['serve', '--data-dir', this.options.dataDir]
      const run = new SidecarRun(command, args, this.options.env ?? process.env, this.times, this.options.log, (...told) =>
        this.notifications.tell(...told)
      )
      this.run = run
      this.options.log({ level: 'info', event: 'sidecar started', source: command.source, pid: run.pid })
      const hello = await run.handshake({
        protocolVersion: PROTOCOL_VERSION,
        client: this.options.client,
        processId: process.pid,
        tokenBatching: TOKEN_BATCHING,
        ...(key.key === null ? {} : { vaultKey: key.key }),
        ...this.options.initialize
      })
      clearTimeout(slowly)
      if (hello !== null && !this.stopping) {
        const encryptionAvailable = hello.encryption.available
        const keyWarning = encryptionAvailable ? null : (key.problem ?? 'API keys are stored without encryption.')
        const { providers, server } = hello
        this.set({ state: 'ready', version: server.version, providers, encryptionAvailable, keyWarning })
      }
      const failure = await run.ended
      this.run = null
      // Who asks now waits; what comes next is told in a moment.
      if (!this.stopping) this.current = { state: 'starting', slow: false }
      this.exits.tell(failure)
      return failure
    } catch (thrown) {
      return missing(thrown instanceof Error ? thrown.message : String(thrown))
    } finally {
      clearTimeout(slowly)
    }
  }

  private set(state: SidecarState): void {
    if (this.stopping && state.state !== 'stopped') return
    this.current = state
    this.states.tell(state)
  }

  /** Until `restart` or `stop`, or for `delayMs`. */
  private pause(delayMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = delayMs === undefined ? undefined : setTimeout(resolve, delayMs)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: LlmError): void => {
        clearTimeout(timer)
        stopListening()
        if (error === undefined) resolve()
        else reject(error)
      }
      const look = (state: SidecarState): void => {
        if (state.state === 'ready') settle()
        else if (state.state === 'failed') settle(new LlmError({ ...state.failure, retryable: false }))
        else if (state.state === 'stopped') settle(new LlmError(ENDING))
      }
      const timer = setTimeout(() => settle(unavailable('The sidecar is still starting.')), this.times.waitMs)
      const stopListening = this.states.add(look)
      look(this.current)
    })
  }
}

const ENDING = { code: 'SHUTTING_DOWN', message: 'The app is about to end.', retryable: false } as const

const NOT_WANTED = { code: 'CANCELLED', message: 'The window is closed.', retryable: false } as const

const unavailable = (message: string): LlmError =>
  new LlmError({ code: 'SIDECAR_UNAVAILABLE', message, retryable: true })

const told = ({ final: _final, ...failure }: Failure): SidecarFailure => failure
