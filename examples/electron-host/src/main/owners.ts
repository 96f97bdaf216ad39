/**
 * Which open window uses which session, or which job.
 *
 * Law: one window at a time. What no open window uses (from an earlier launch, or from a window that was closed) is the
 * user's: any window can take it.
 */
import { LlmError } from '../shared/llm-error'

export class Owners {
  private readonly windowOf = new Map<string, string>()

  constructor(
    private readonly what: string,
    private readonly code: 'SESSION_NOT_FOUND' | 'JOB_NOT_FOUND'
  ) {}

  get(id: string): string | undefined {
    return this.windowOf.get(id)
  }

  /** For `windowId`, something another window uses is not there. Throws the "not found" of its kind. */
  demand(id: string, windowId: string): void {
    if (!this.isFor(id, windowId)) {
      throw new LlmError({ code: this.code, message: `There is no ${this.what} ${id}.`, retryable: false })
    }
  }

  isFor(id: string, windowId: string): boolean {
    return (this.windowOf.get(id) ?? windowId) === windowId
  }

  take(id: string, windowId: string): void {
    this.windowOf.set(id, windowId)
  }

  release(id: string): void {
    this.windowOf.delete(id)
  }

  releaseWindow(windowId: string): void {
    for (const [id, owner] of this.windowOf) if (owner === windowId) this.windowOf.delete(id)
  }
}
