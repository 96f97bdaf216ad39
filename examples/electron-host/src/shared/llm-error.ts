/**
 * The error that `window.llm` rejects with, on both sides of Electron's context bridge.
 *
 * Law: the bridge copies an `Error` by its message alone (its class and its other properties are lost), so the message
 * ends with what a program needs: `The account is empty. [INSUFFICIENT_QUOTA]`,
 * `Too many requests. [RATE_LIMIT retryable 1200ms]`. `llmErrorOf` reads it back; a person can read it as it is.
 */
import type { HostErrorCode, IpcError } from './ipc-result'

const TAIL = / \[([A-Z][A-Z0-9_]*)( retryable)?(?: (\d+)ms)?\]$/

export class LlmError extends Error {
  readonly code: HostErrorCode
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly details?: Record<string, unknown>

  constructor(private readonly error: IpcError) {
    super(error.message + tailOf(error))
    this.name = 'LlmError'
    this.code = error.code
    this.retryable = error.retryable
    if (error.retryAfterMs !== undefined) this.retryAfterMs = error.retryAfterMs
    if (error.details !== undefined) this.details = error.details
  }

  /** As it crosses from the main process to a window. */
  toIpc(): IpcError {
    return this.error
  }
}

/** What a window asked is not what it may ask; `fields` are paths and reasons, never values. */
export function invalid(...fields: Array<{ path: string; reason: string }>): LlmError {
  const told = fields.map(({ path, reason }) => `${path}: ${reason}`).join('; ')
  return new LlmError({ code: 'VALIDATION_ERROR', message: `Invalid request: ${told}`, retryable: false, details: { fields } })
}

/** What was thrown, as code, sentence and advice; what is no error of ours is an `INTERNAL_ERROR`. */
export function llmErrorOf(thrown: unknown): IpcError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const tail = TAIL.exec(text)
  if (tail === null) return { code: 'INTERNAL_ERROR', message: text, retryable: false }
  const error: IpcError = {
    code: tail[1] as HostErrorCode,
    message: text.slice(0, tail.index),
    retryable: tail[2] !== undefined
  }
  if (tail[3] !== undefined) error.retryAfterMs = Number(tail[3])
  return error
}

function tailOf(error: IpcError): string {
  const after = error.retryAfterMs === undefined ? '' : ` ${Math.ceil(error.retryAfterMs)}ms`
  return ` [${error.code}${error.retryable ? ' retryable' : ''}${after}]`
}
