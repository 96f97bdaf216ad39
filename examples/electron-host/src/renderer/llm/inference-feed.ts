/**
 * The page's events of answers, by inference.
 *
 * Law: one subscription per channel for the whole page. What comes before somebody listens is kept, within bounds, and
 * told first, in its order: a first token cannot be lost, whoever chose the id.
 */
import type {
  LlmApi, LlmDoneEvent, LlmErrorEvent, LlmProgressEvent, LlmThinkingEvent, LlmTokenEvent, LlmToolCallEvent, Unsubscribe
} from '../../shared/api'

export type InferenceEvent =
  | { kind: 'thinking'; event: LlmThinkingEvent }
  | { kind: 'token'; event: LlmTokenEvent }
  | { kind: 'tool-call'; event: LlmToolCallEvent }
  | { kind: 'progress'; event: LlmProgressEvent }
  | { kind: 'done'; event: LlmDoneEvent }
  | { kind: 'error'; event: LlmErrorEvent }

export type InferenceListener = (told: InferenceEvent) => void

export type Feeding = Pick<
  LlmApi,
  'onLlmThinking' | 'onLlmToken' | 'onLlmToolCall' | 'onLlmProgress' | 'onLlmDone' | 'onLlmError'
>

const KEPT_INFERENCES = 32
const KEPT_EVENTS = 4_096

export class InferenceFeed {
  private readonly listeners = new Map<string, InferenceListener>()
  private readonly kept = new Map<string, InferenceEvent[]>()
  private readonly endings: Unsubscribe[]

  constructor(llm: Feeding) {
    this.endings = [
      llm.onLlmThinking((event) => this.tell({ kind: 'thinking', event })),
      llm.onLlmToken((event) => this.tell({ kind: 'token', event })),
      llm.onLlmToolCall((event) => this.tell({ kind: 'tool-call', event })),
      llm.onLlmProgress((event) => this.tell({ kind: 'progress', event })),
      llm.onLlmDone((event) => this.tell({ kind: 'done', event })),
      llm.onLlmError((event) => this.tell({ kind: 'error', event }))
    ]
  }

  /** One listener an inference; the last one counts. */
  listen(inferenceId: string, listener: InferenceListener): Unsubscribe {
    this.listeners.set(inferenceId, listener)
    const kept = this.kept.get(inferenceId) ?? []
    this.kept.delete(inferenceId)
    for (const told of kept) listener(told)
    return () => {
      if (this.listeners.get(inferenceId) === listener) this.listeners.delete(inferenceId)
    }
  }

  /** Nothing is told any more. */
  close(): void {
    for (const end of this.endings) end()
    this.listeners.clear()
    this.kept.clear()
  }

  private tell(told: InferenceEvent): void {
    const { inferenceId } = told.event
    const listener = this.listeners.get(inferenceId)
    if (listener !== undefined) listener(told)
    else this.keep(inferenceId, told)
  }

  private keep(inferenceId: string, told: InferenceEvent): void {
    const events = this.kept.get(inferenceId)
    if (events === undefined) {
      if (this.kept.size >= KEPT_INFERENCES) this.kept.delete(this.kept.keys().next().value as string)
      this.kept.set(inferenceId, [told])
    } else if (events.length < KEPT_EVENTS) events.push(told)
  }
}
