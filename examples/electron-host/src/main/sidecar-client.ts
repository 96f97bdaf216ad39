/**
 * A typed JSON-RPC 2.0 client over a pair of streams: one message a line.
 *
 * Law: every request is settled exactly once, by its response, by `close`, or by its deadline; notifications are handed
 * on in their order, in the same turn in which they were read; what waits to be written is bounded. It knows nothing of
 * processes and windows.
 */
import type { Readable, Writable } from 'node:stream'
import { LlmError } from '../shared/llm-error'
import type { IpcError } from '../shared/ipc-result'
import type { ErrorObject, HostNotifications, SidecarMethods, SidecarNotifications } from '../shared/protocol'
import { LineSplitter } from './line-splitter'

export type NotificationListener = <N extends keyof SidecarNotifications>(
  name: N,
  params: SidecarNotifications[N]
) => void

export interface RequestOptions {
  /** Told the request's id before it is sent. */
  onId?: (id: number) => void
  /** Milliseconds until it is given up (and cancelled) as `TIMEOUT`; without, it may take as long as it takes. */
  timeoutMs?: number
  /** Asked again where the request had to wait for a sidecar: false gives it up as `CANCELLED`. */
  stillWanted?: () => boolean
}

export interface ClientLimits {
  /** Bytes of a message, in either direction. */
  maxMessageBytes: number
  /** Bytes that may wait for a sidecar that does not read. */
  maxUnwrittenBytes: number
}

const LIMITS: ClientLimits = { maxMessageBytes: 16 * 1024 * 1024, maxUnwrittenBytes: 64 * 1024 * 1024 }

interface Pending {
  resolve(result: unknown): void
  reject(error: LlmError): void
  timer?: NodeJS.Timeout
}

export class SidecarClient {
  private readonly pending = new Map<number, Pending>()
  private readonly splitter: LineSplitter
  private nextId = 1
  private closedBy: IpcError | null = null
  /** Counts the lines that came; a sign of life. */
  received = 0

  /**
   * `onNotification` gets what the sidecar tells; `onBroken` is called once, when the stream cannot be trusted any more
   * (not JSON, a line too long); the caller then ends the process and calls `close`.
   */
  constructor(
    private readonly stdin: Writable,
    stdout: Readable,
    private readonly onNotification: NotificationListener,
    private readonly onBroken: (reason: string) => void,
    private limits: ClientLimits = LIMITS
  ) {
    this.splitter = new LineSplitter(limits.maxMessageBytes)
    stdout.on('data', (chunk: Buffer) => this.read(chunk))
    stdin.on('error', () => undefined) // The process is gone; its exit says why.
  }

  /** Rejects with an `LlmError`. */
  request<M extends keyof SidecarMethods>(
    method: M,
    params: SidecarMethods[M]['params'],
    options: RequestOptions = {}
  ): Promise<SidecarMethods[M]['result']> {
    const id = this.nextId++
    return new Promise<SidecarMethods[M]['result']>((resolve, reject) => {
      const entry: Pending = { resolve: resolve as (result: unknown) => void, reject }
      const { timeoutMs } = options
      if (timeoutMs !== undefined) entry.timer = setTimeout(() => this.giveUp(id, method, timeoutMs), timeoutMs)
      this.pending.set(id, entry)
      options.onId?.(id)
      try {
        this.write({ jsonrpc: '2.0', id, method, params })
      } catch (error) {
        this.settle(id)?.reject(error as LlmError)
      }
    })
  }

  notify<N extends keyof HostNotifications>(method: N, params: HostNotifications[N]): void {
    this.write({ jsonrpc: '2.0', method, params })
  }

  /** What the sidecar said a message may have, in either direction: what is longer would never be answered. */
  agree(maxMessageBytes: number): void {
    const maxUnwrittenBytes = Math.max(this.limits.maxUnwrittenBytes, maxMessageBytes)
    this.limits = { maxMessageBytes, maxUnwrittenBytes }
    this.splitter.maxBytes = maxMessageBytes
  }

  /** How many requests have no answer yet. */
  get unanswered(): number {
    return this.pending.size
  }

  /** Rejects everything that waits, and what will be asked, with `error`. */
  close(error: IpcError): void {
    if (this.closedBy !== null) return
    this.closedBy = error
    for (const id of [...this.pending.keys()]) this.settle(id)?.reject(new LlmError(error))
  }

  private write(message: object): void {
    if (this.closedBy !== null) throw new LlmError(this.closedBy)
    const line = `${encoded(message)}\n`
    const size = Buffer.byteLength(line)
    if (size > this.limits.maxMessageBytes) {
      throw refusal('MESSAGE_TOO_LARGE', `A message may have ${this.limits.maxMessageBytes} bytes; this has ${size}.`)
    }
    if (this.stdin.writableLength + size > this.limits.maxUnwrittenBytes) {
      throw refusal('OVERLOADED', 'The sidecar reads more slowly than it is written to.', true)
    }
    this.stdin.write(line)
  }

  private read(chunk: Buffer): void {
    if (this.closedBy !== null) return
    try {
      for (const line of this.splitter.push(chunk)) {
        this.received += 1
        this.take(JSON.parse(line))
      }
    } catch (error) {
      if (this.closedBy === null) this.onBroken(error instanceof Error ? error.message : String(error))
    }
  }

  private take(message: unknown): void {
    if (Array.isArray(message)) return message.forEach((item) => this.take(item))
    if (typeof message !== 'object' || message === null) throw new Error('The sidecar sent what is not a message.')
    const { id, method, params, result, error } = message as Record<string, unknown>
    if (typeof method !== 'string') {
      const entry = typeof id === 'number' ? this.settle(id) : undefined
      if (error !== undefined) entry?.reject(new LlmError(errorOf(error)))
      else entry?.resolve(result)
    } else if (id === undefined) {
      this.tell(method as keyof SidecarNotifications, params as never)
    } else {
      const refused = { code: -32601, message: `This host does not answer ${method}.` }
      this.write({ jsonrpc: '2.0', id, error: refused })
    }
  }

  private tell<N extends keyof SidecarNotifications>(name: N, params: SidecarNotifications[N]): void {
    try {
      this.onNotification(name, params)
    } catch (error) {
      queueMicrotask(() => { throw error }) // A fault of the host, not of the stream.
    }
  }

  private settle(id: number): Pending | undefined {
    const entry = this.pending.get(id)
    this.pending.delete(id)
    clearTimeout(entry?.timer)
    return entry
  }

  private giveUp(id: number, method: string, timeoutMs: number): void {
    const entry = this.settle(id)
    try {
      this.notify('$/cancelRequest', { id })
    } catch {
      // Closed, or full: there is nothing to cancel it with.
    }
    entry?.reject(refusal('TIMEOUT', `The sidecar did not answer ${method} within ${timeoutMs} ms.`, true))
  }
}

function encoded(message: object): string {
  try {
    return JSON.stringify(message)
  } catch {
    throw refusal('VALIDATION_ERROR', 'The request holds something that JSON cannot say (a cycle, a big integer).')
  }
}

function errorOf(value: unknown): IpcError {
  const { message, data } = value as Partial<ErrorObject>
  const error: IpcError = {
    code: data?.code ?? 'INTERNAL_ERROR',
    message: typeof message === 'string' ? message : 'The sidecar answered with an error that says nothing.',
    retryable: data?.retryable ?? false
  }
  if (data?.retryAfterMs !== undefined) error.retryAfterMs = data.retryAfterMs
  if (data?.details !== undefined) error.details = data.details
  return error
}

function refusal(code: IpcError['code'], message: string, retryable = false): LlmError {
  return new LlmError({ code, message, retryable })
}
