/**
 * Which window started which inference, and which of them still run.
 *
 * Law: an inference is known before it is asked for, so that no event can come before it; what is not known belongs to
 * nobody. Ended ones are remembered, within a bound, for a window that reads them again.
 */
import { LlmError } from '../shared/llm-error'

export interface InferenceEntry {
  readonly inferenceId: string
  readonly windowId: string
  readonly sessionId: string | undefined
  /** The sidecar has taken it: its answer will end with an event. */
  accepted: boolean
  ended: boolean
  nextSeq: number
}

const REMEMBERED = 1_000

export class InferenceLedger {
  private readonly entries = new Map<string, InferenceEntry>()
  private ended = 0

  /** Throws `INFERENCE_EXISTS` where it runs, in whichever window. */
  claim(inferenceId: string, windowId: string, sessionId?: string): InferenceEntry {
    const known = this.entries.get(inferenceId)
    if (known !== undefined && (!known.ended || known.windowId !== windowId)) {
      const message = `There is an inference ${inferenceId} already.`
      throw new LlmError({ code: 'INFERENCE_EXISTS', message, retryable: false })
    }
    if (known !== undefined) this.ended -= 1
    const entry = { inferenceId, windowId, sessionId, accepted: false, ended: false, nextSeq: 0 }
    this.entries.delete(inferenceId)
    this.entries.set(inferenceId, entry)
    return entry
  }

  /** It was refused. */
  drop(entry: InferenceEntry): void {
    if (!entry.accepted && this.entries.get(entry.inferenceId) === entry) this.entries.delete(entry.inferenceId)
  }

  get(inferenceId: string): InferenceEntry | undefined {
    return this.entries.get(inferenceId)
  }

  /** An event of it came; `terminal`: its last. */
  saw(entry: InferenceEntry, seq: number, terminal: boolean): void {
    entry.accepted = true
    entry.nextSeq = Math.max(entry.nextSeq, seq + 1)
    if (terminal) this.end(entry)
  }

  end(entry: InferenceEntry): void {
    if (entry.ended) return
    entry.ended = true
    this.ended += 1
    if (this.ended > REMEMBERED) this.forgetOldest()
  }

  /** Taken, and without an end. */
  running(): InferenceEntry[] {
    return [...this.entries.values()].filter((entry) => entry.accepted && !entry.ended)
  }

  /** The window is gone: nobody will ask for its inferences again. */
  forgetWindow(windowId: string): void {
    for (const entry of [...this.entries.values()]) if (entry.windowId === windowId) this.remove(entry)
  }

  private forgetOldest(): void {
    for (const entry of this.entries.values()) if (entry.ended) return this.remove(entry)
  }

  private remove(entry: InferenceEntry): void {
    if (entry.ended) this.ended -= 1
    this.entries.delete(entry.inferenceId)
  }
}
