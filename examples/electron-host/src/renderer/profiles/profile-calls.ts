/** `window.llmAPI` for those who want the data or an error. */
import type { ErrorResponse, IpcError, ProfileResponse } from '../../shared/ipc-result'
import { LlmError } from '../../shared/llm-error'

export async function dataOf<T>(response: Promise<ProfileResponse<T>>): Promise<T> {
  const answer = await response
  if (answer.success) return answer.data
  throw new LlmError(errorOf(answer))
}

export function errorOf({ error: code, message, retryable, retryAfterMs, details }: ErrorResponse): IpcError {
  const error: IpcError = { code, message, retryable }
  if (retryAfterMs !== undefined) error.retryAfterMs = retryAfterMs
  if (typeof details === 'object' && details !== null) error.details = details as Record<string, unknown>
  return error
}

/** What is wrong with a form's field, by its name. */
export function fieldProblem(error: IpcError | null, name: string): string | null {
  const fields = error?.details?.['fields']
  if (!Array.isArray(fields)) return null
  for (const field of fields as Array<{ path?: unknown; reason?: unknown }>) {
    if (typeof field.path === 'string' && field.path.split(/[.$]/).includes(name)) return String(field.reason)
  }
  return null
}
