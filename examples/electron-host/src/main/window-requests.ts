/**
 * What one window asks, with what it may not say and may not reach taken care of.
 *
 * Law: the host says which window asks and names its inferences, whatever the page said; a session or job is looked up
 * only after its owner was. It knows nothing of Electron.
 */
import { randomUUID } from 'node:crypto'
import type { WindowMethod } from '../shared/channels'
import { invalid, LlmError } from '../shared/llm-error'
import type { SidecarMethods } from '../shared/protocol'
import { REQUESTS } from '../shared/requests'
import { id } from '../shared/validation'
import type { InferenceLedger } from './inference-ledger'
import type { HostWindow, SidecarLike } from './llm-ipc'
import type { Owners } from './owners'
import type { RequestOptions } from './sidecar-client'

type Fields = Record<string, unknown>

interface Chat {
  window: HostWindow
  requestId: string
}

export class WindowRequests {
  /** Chat completions that stream, by the id of their request. */
  private readonly chats = new Map<number, Chat>()

  constructor(
    private readonly sidecar: SidecarLike,
    private readonly ledger: InferenceLedger,
    private readonly sessions: Owners,
    private readonly jobs: Owners
  ) {}

  /** The page of an event `llm:chat:chunk`, and its own name for the request. */
  chat(requestId: unknown): Chat | undefined {
    return typeof requestId === 'number' ? this.chats.get(requestId) : undefined
  }

  /** What the page gets. Throws an `LlmError`. */
  async answer(window: HostWindow, method: WindowMethod, args: unknown[]): Promise<unknown> {
    const params = REQUESTS[method](args)
    switch (method) {
      case 'llm:inference':
      case 'llm:session:run':
        return this.start(window, method, params)
      case 'llm:cancel':
        return this.cancel(window, String(params['inferenceId']))
      case 'llm:inference:attach':
        this.demandInference(window, String(params['inferenceId']))
        return this.ask(window, method, params)
      case 'llm:generate-text':
        return this.ask(window, method, { ...params, windowId: window.id })
      case 'llm:chat:completions':
        return this.complete(window, params, args[1])
      case 'llm:session:create':
      case 'llm:session:fork':
        return this.newSession(window, method, params)
      case 'llm:session:get':
      case 'llm:session:history':
        this.sessions.demand(String(params['sessionId']), window.id)
        return this.ask(window, method, params)
      case 'llm:session:destroy':
        return this.destroySession(window, String(params['sessionId']))
      case 'llm:session:list': {
        const page = await this.ask(window, method, params)
        return { ...page, sessions: page.sessions.filter((item) => this.sessions.isFor(item.sessionId, window.id)) }
      }
      case 'llm:job:submit':
        return this.submit(window, params)
      case 'llm:job:get':
      case 'llm:job:result':
        this.jobs.demand(String(params['jobId']), window.id)
        return this.ask(window, method, params)
      case 'llm:job:cancel':
        this.jobs.demand(String(params['jobId']), window.id)
        return (await this.ask(window, method, params)).success
      case 'llm:job:list': {
        const page = await this.ask(window, method, params)
        return { ...page, jobs: page.jobs.filter((item) => this.jobs.isFor(item.jobId, window.id)) }
      }
      default:
        return this.ask(window, method, params)
    }
  }

  private async start(window: HostWindow, method: 'llm:inference' | 'llm:session:run', params: Fields): Promise<string> {
    const inferenceId = typeof params['inferenceId'] === 'string' ? params['inferenceId'] : randomUUID()
    const sessionId = method === 'llm:session:run' ? String(params['sessionId']) : undefined
    const isFree = sessionId !== undefined && this.sessions.get(sessionId) === undefined
    if (sessionId !== undefined) this.sessions.demand(sessionId, window.id)
    const entry = this.ledger.claim(inferenceId, window.id, sessionId)
    if (isFree) this.sessions.take(sessionId, window.id)
    try {
      await this.ask(window, method, { ...params, inferenceId, windowId: window.id })
      entry.accepted = true
      return inferenceId
    } catch (error) {
      this.ledger.drop(entry)
      if (isFree && this.sessions.get(sessionId) === window.id) this.sessions.release(sessionId)
      throw error
    }
  }

  private async cancel(window: HostWindow, inferenceId: string): Promise<boolean> {
    if (this.ledger.get(inferenceId) === undefined) return false
    this.demandInference(window, inferenceId)
    return (await this.ask(window, 'llm:cancel', { inferenceId })).success
  }

  private demandInference(window: HostWindow, inferenceId: string): void {
    if (this.ledger.get(inferenceId)?.windowId === window.id) return
    const message = `There is no inference ${inferenceId}.`
    throw new LlmError({ code: 'INFERENCE_NOT_FOUND', message, retryable: false })
  }

  private async complete(window: HostWindow, params: Fields, name: unknown): Promise<unknown> {
    const problems = name === undefined ? [] : id(name, 'requestId')
    if (problems.length > 0) throw invalid(...problems)
    let sent: number | undefined
    const onId = (number: number): void => {
      sent = number
      if (typeof name === 'string') this.chats.set(number, { window, requestId: name })
    }
    try {
      return await this.ask(window, 'llm:chat:completions', { ...params, windowId: window.id }, { onId })
    } finally {
      if (sent !== undefined) this.chats.delete(sent)
    }
  }

  private async newSession(window: HostWindow, method: 'llm:session:create' | 'llm:session:fork', params: Fields): Promise<unknown> {
    if (method === 'llm:session:fork') this.sessions.demand(String(params['sessionId']), window.id)
    const forWindow = method === 'llm:session:create' ? { ...params, windowId: window.id } : params
    const made = await this.ask(window, method, forWindow)
    if (window.open) this.sessions.take(made.sessionId, window.id)
    return made
  }

  private async destroySession(window: HostWindow, sessionId: string): Promise<boolean> {
    this.sessions.demand(sessionId, window.id)
    const { success } = await this.ask(window, 'llm:session:destroy', { sessionId })
    this.sessions.release(sessionId)
    return success
  }

  private async submit(window: HostWindow, params: Fields): Promise<string> {
    const { windowId: _spoken, ...inner } = params['params'] as Fields // A page does not say which window it is.
    const { jobId } = await this.ask(window, 'llm:job:submit', { ...params, params: inner, windowId: window.id })
    if (window.open) this.jobs.take(jobId, window.id)
    return jobId
  }

  /** What the page sent is not of the right type by the compiler's word; the sidecar checks it, and says so. */
  private ask<M extends WindowMethod>(
    window: HostWindow,
    method: M,
    params: Fields,
    options: RequestOptions = {}
  ): Promise<SidecarMethods[M]['result']> {
    return this.sidecar.request(method, params as SidecarMethods[M]['params'], { ...options, stillWanted: () => window.open })
  }
}
