/**
 * The envelope of every answer that crosses from the main process to a window, and the error in it.
 *
 * Law: plain data only (it is structured-cloned); an answer is exactly one of the two; never a stack, never a key.
 */
import type { ErrorCode } from './protocol'

/** What can be answered with: the sidecar's own codes, and those of the host. */
export type HostErrorCode =
  | ErrorCode
  /** The window or frame that asked may not. */
  | 'FORBIDDEN'
  /** The sidecar does not run now, and may soon. */
  | 'SIDECAR_UNAVAILABLE'
  /** The sidecar ended while it worked on this. */
  | 'SIDECAR_EXITED'
  /** No sidecar was found on this machine. */
  | 'SIDECAR_MISSING'
  /** The sidecar speaks another version of the protocol. */
  | 'SIDECAR_VERSION'
  /** The sidecar did not say hello in time. */
  | 'SIDECAR_SLOW'
  /** The sidecar does not answer any more. */
  | 'SIDECAR_UNRESPONSIVE'
  /** The sidecar ended again and again. */
  | 'SIDECAR_CRASH_LOOP'
  /** The sidecar refused to start with these settings. */
  | 'SIDECAR_REFUSED'

export interface IpcError {
  code: HostErrorCode
  /** A sentence for people. */
  message: string
  /** Whether the same request can succeed later. */
  retryable: boolean
  retryAfterMs?: number
  details?: Record<string, unknown>
}

export interface IpcSuccess<T> {
  success: true
  data: T
  /** Epoch milliseconds. */
  timestamp: number
}

export interface IpcFailure {
  success: false
  error: IpcError
  /** Epoch milliseconds. */
  timestamp: number
}

export type IpcResult<T> = IpcSuccess<T> | IpcFailure

/** What `window.llmAPI` answers with where it fails: the code is in `error`. */
export interface ErrorResponse {
  success: false
  error: HostErrorCode
  message: string
  retryable: boolean
  retryAfterMs?: number
  details?: unknown
  /** Epoch milliseconds. */
  timestamp: number
}

export type SuccessResponse<T> = IpcSuccess<T>

export type ProfileResponse<T> = SuccessResponse<T> | ErrorResponse

export function succeeded<T>(data: T): IpcSuccess<T> {
  return { success: true, data, timestamp: Date.now() }
}

export function failed(error: IpcError): IpcFailure {
  return { success: false, error, timestamp: Date.now() }
}
