/**
 * The bridge between windows and the sidecar: every `llm:*` channel, registered with `ipcMain.handle`.
 *
 * Law:
 * - Only the top frame of a window that was added, at an address that is trusted, is answered with data.
 * - Every answer is an `IpcResult`; nothing is thrown at a page, and no fault of a page ends anything here.
 * - A window reaches what it started, and what no open window uses; events go to the window that asked and to no other.
 * - A window that closes takes its work with it.
 */
import { randomUUID } from 'node:crypto'
import type { LlmErrorEvent, SidecarState } from '../shared/api'
import {
  EVENT_CHANNELS, EVENTS_TAKEN, SIDECAR_GET_STATE, SIDECAR_RESTART, SIDECAR_STATE_EVENT, type WindowMethod
} from '../shared/channels'
import { failed, succeeded, type IpcResult } from '../shared/ipc-result'
import { LlmError } from '../shared/llm-error'
import type { SidecarMethods, SidecarNotifications } from '../shared/protocol'
import { WINDOW_METHODS } from '../shared/requests'
import type { InvokeEventLike, IpcMainLike, WebContentsLike } from '../shared/transport'
import { InferenceLedger } from './inference-ledger'
import { Owners } from './owners'
import type { NotificationListener, RequestOptions } from './sidecar-client'
import type { Failure } from './sidecar-failure'
import type { Log } from './stderr-log'
import { WindowLimits, WINDOW_RULES, type WindowRules } from './window-limits'
import { OUTLET_RULES, WindowOutlet, type OutletRules } from './window-outlet'
import { WindowRequests } from './window-requests'

/** What the bridge needs of a `SidecarProcess`. */
export interface SidecarLike {
  readonly state: SidecarState
  readonly states: { add(listener: (state: SidecarState) => void): () => void }
  readonly exits: { add(listener: (failure: Failure) => void): () => void }
  onNotification(listener: NotificationListener): () => void
  request<M extends keyof SidecarMethods>(
    method: M,
    params: SidecarMethods[M]['params'],
    options?: RequestOptions
  ): Promise<SidecarMethods[M]['result']>
  restart(): Promise<void>
}

export interface LlmIpcOptions {
  /** Whether a page at this address is the app's own. */
  isTrusted(url: string): boolean
  log: Log
  limits?: Partial<WindowRules & OutletRules>
}

/** One open window. */
export interface HostWindow {
  readonly id: string
  readonly contents: WebContentsLike
  readonly limits: WindowLimits
  readonly outlet: WindowOutlet
  /** Its page is there; false once it is closed. */
  open: boolean
}

export class LlmIpc {
  private readonly windows = new Map<number, HostWindow>()
  private readonly launch = randomUUID().slice(0, 8)
  private readonly ledger = new InferenceLedger()
  private readonly sessions = new Owners('session', 'SESSION_NOT_FOUND')
  private readonly jobs = new Owners('job', 'JOB_NOT_FOUND')
  private readonly requests: WindowRequests
  private readonly endings: Array<() => void> = []

  constructor(
    private readonly ipcMain: IpcMainLike,
    private readonly sidecar: SidecarLike,
    private readonly options: LlmIpcOptions
  ) {
    this.requests = new WindowRequests(sidecar, this.ledger, this.sessions, this.jobs)
  }

  register(): void {
    for (const method of WINDOW_METHODS) {
      this.handle(method, (window, args) => this.requests.answer(window, method, args))
    }
    this.handle(SIDECAR_GET_STATE, async () => this.sidecar.state)
    this.handle(SIDECAR_RESTART, async () => void this.sidecar.restart())
    this.ipcMain.handle(EVENTS_TAKEN, (event, count) => this.taken(event, count))
    this.endings.push(
      this.sidecar.states.add((state) => this.broadcast(SIDECAR_STATE_EVENT, state)),
      this.sidecar.exits.add((failure) => this.endRunning(failure)),
      this.sidecar.onNotification((name, params) => this.forward(name, params))
    )
  }

  unregister(): void {
    const own = [SIDECAR_GET_STATE, SIDECAR_RESTART, EVENTS_TAKEN]
    for (const channel of [...WINDOW_METHODS, ...own]) this.ipcMain.removeHandler(channel)
    for (const end of this.endings.splice(0)) end()
  }

  /** A page may ask from now on, until its window is closed. */
  addWindow(contents: WebContentsLike): void {
    const window = this.opened(contents)
    contents.on('destroyed', () => {
      this.close(this.windows.get(contents.id) ?? window)
      this.windows.delete(contents.id)
    })
    contents.on('render-process-gone', () => {
      this.close(this.windows.get(contents.id) ?? window)
      if (!contents.isDestroyed()) this.opened(contents) // It may be loaded again, and begins with nothing.
    })
  }

  private opened(contents: WebContentsLike): HostWindow {
    const limits = new WindowLimits({ ...WINDOW_RULES, ...this.options.limits })
    const outlet = new WindowOutlet(contents, { ...OUTLET_RULES, ...this.options.limits })
    const window = { id: `w${this.launch}-${contents.id}-${randomUUID().slice(0, 4)}`, contents, limits, outlet, open: true }
    this.windows.set(contents.id, window)
    return window
  }

  private close(window: HostWindow): void {
    if (!window.open) return
    window.open = false
    this.ledger.forgetWindow(window.id)
    this.sessions.releaseWindow(window.id)
    this.jobs.releaseWindow(window.id)
    if (this.sidecar.state.state !== 'ready') return // What it had running ended with the sidecar.
    this.sidecar.request('llm:window:closed', { windowId: window.id }).catch((error: unknown) => {
      this.options.log({ level: 'warning', event: 'a closed window was not told', reason: String(error) })
    })
  }

  private handle(channel: WindowMethod | string, answer: (window: HostWindow, args: unknown[]) => Promise<unknown>): void {
    this.ipcMain.handle(channel, async (event, ...args): Promise<IpcResult<unknown>> => {
      try {
        const window = this.asking(event)
        return succeeded(await window.limits.run(() => answer(window, args)))
      } catch (thrown) {
        if (thrown instanceof LlmError) return failed(thrown.toIpc())
        this.options.log({ level: 'error', event: 'a fault of the bridge', channel, reason: String(thrown) })
        return failed({ code: 'INTERNAL_ERROR', message: 'The app made a mistake; its log says where.', retryable: false })
      }
    })
  }

  private asking({ sender, senderFrame }: InvokeEventLike): HostWindow {
    const window = this.windows.get(sender.id)
    const isTop = senderFrame !== null && senderFrame.parent === null
    if (window === undefined || window.contents !== sender || !isTop || !this.options.isTrusted(senderFrame.url)) {
      throw new LlmError({ code: 'FORBIDDEN', message: 'This page may not ask.', retryable: false })
    }
    return window
  }

  private taken(event: InvokeEventLike, count: unknown): void {
    const window = this.windows.get(event.sender.id)
    if (window === undefined || window.contents !== event.sender || typeof count !== 'number' || !(count >= 0)) return
    if (count === 0) window.outlet.begin()
    else window.outlet.taken(count)
  }

  private forward(name: keyof SidecarNotifications, params: unknown): void {
    if (!EVENT_CHANNELS.includes(name) || typeof params !== 'object' || params === null) return
    const told = params as { inferenceId?: string; jobId?: string; windowId?: string; seq?: number; requestId?: number }
    if (name === 'llm:chat:chunk') {
      const chat = this.requests.chat(told.requestId)
      if (chat !== undefined) this.send(chat.window, name, { ...told, requestId: chat.requestId })
    } else if (told.jobId !== undefined) {
      const owner = this.byId(this.jobs.get(told.jobId) ?? told.windowId)
      if (owner !== undefined) this.send(owner, name, told)
      else this.broadcast(name, told)
    } else if (told.inferenceId !== undefined) {
      const entry = this.ledger.get(told.inferenceId)
      const owner = this.byId(entry === undefined ? told.windowId : entry.windowId)
      if (entry !== undefined) this.ledger.saw(entry, told.seq ?? 0, name === 'llm:done' || name === 'llm:error')
      if (owner !== undefined) this.send(owner, name, told)
    }
  }

  /** The sidecar is gone: whoever waits for an answer is told, once. */
  private endRunning(failure: Failure): void {
    for (const entry of this.ledger.running()) {
      const event: LlmErrorEvent = {
        inferenceId: entry.inferenceId,
        seq: entry.nextSeq,
        windowId: entry.windowId,
        error: failure.message,
        code: 'SIDECAR_EXITED',
        retryable: true,
        usage: { promptTokens: 0, completionTokens: 0, totalTokens: 0, source: 'partial' },
        providerId: '',
        modelId: '',
        attempts: 0,
        timings: { queuedMs: 0, firstTokenMs: null, totalMs: 0 }
      }
      if (entry.sessionId !== undefined) event.sessionId = entry.sessionId
      this.ledger.end(entry)
      const owner = this.byId(entry.windowId)
      if (owner !== undefined) this.send(owner, 'llm:error', event)
    }
  }

  private byId(windowId: string | undefined): HostWindow | undefined {
    for (const window of this.windows.values()) if (window.id === windowId && window.open) return window
    return undefined
  }

  private broadcast(channel: string, payload: unknown): void {
    for (const window of this.windows.values()) this.send(window, channel, payload)
  }

  private send(window: HostWindow, channel: string, payload: unknown): void {
    if (window.open) window.outlet.send(channel, payload)
  }
}
