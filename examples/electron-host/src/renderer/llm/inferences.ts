/**
 * Every answer of this page, by slot: a place that shows one answer at a time (a conversation, a form).
 *
 * Law: the page chooses the inference's id and listens before it asks, so that nothing can come too early. An answer goes
 * on though nobody looks at its slot; a new one in the same slot replaces it.
 */
import type { LlmApi, LlmInferenceRequest, LlmSessionRunOptions } from '../../shared/api'
import { llmErrorOf } from '../../shared/llm-error'
import type { AttachedEvent } from '../../shared/protocol'
import { InferenceFeed, type Feeding, type InferenceEvent } from './inference-feed'
import { LiveAnswer } from './live-answer'

/** One turn: a session's, or one that stands for itself. */
export type AnswerRequest = LlmInferenceRequest | LlmSessionRunOptions
/** The turn, or how to get to it (again, for a retry). */
export type Asked = AnswerRequest | (() => Promise<AnswerRequest>)

type Asking = Feeding & Pick<LlmApi, 'llmInference' | 'llmRunSession' | 'llmCancel' | 'llmAttachInference'>

interface Slot {
  answer: LiveAnswer
  asked: Asked | null
  /** Whether the sidecar has taken it; what is not taken yet is cancelled when it is. */
  taken: Promise<boolean>
  forget(): void
}

export class Inferences {
  private readonly feed: InferenceFeed
  private readonly slots = new Map<string, Slot>()
  private readonly watchers = new Set<() => void>()

  constructor(private readonly llm: Asking) {
    this.feed = new InferenceFeed(llm)
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }

  answer(slot: string): LiveAnswer | null {
    return this.slots.get(slot)?.answer ?? null
  }

  /** The answer's end, or what it was refused with, is in its snapshot; this does not reject. */
  run(slot: string, asked: Asked): LiveAnswer {
    const inferenceId = crypto.randomUUID()
    return this.listen(slot, inferenceId, asked, async () => {
      const request = { ...(typeof asked === 'function' ? await asked() : asked), inferenceId }
      return 'sessionId' in request ? this.llm.llmRunSession(request) : this.llm.llmInference(request)
    })
  }

  /** Show an answer that was begun before this page was loaded. */
  attach(slot: string, inferenceId: string): LiveAnswer {
    return this.listen(slot, inferenceId, null, async () => this.catchUp(this.slots.get(slot)!.answer, 0))
  }

  /** The last request again, under a new id. */
  retry(slot: string): LiveAnswer | null {
    const asked = this.slots.get(slot)?.asked ?? null
    return asked === null ? null : this.run(slot, asked)
  }

  async cancel(slot: string): Promise<void> {
    const held = this.slots.get(slot)
    if (held === undefined || held.answer.over) return
    if (await held.taken) await this.llm.llmCancel(held.answer.inferenceId).catch(() => false)
  }

  /** Whether the slot's request can be asked again. */
  repeatable(slot: string): boolean {
    return (this.slots.get(slot)?.asked ?? null) !== null
  }

  forget(slot: string): void {
    this.slots.get(slot)?.forget()
    this.slots.delete(slot)
    this.changed()
  }

  private listen(slot: string, inferenceId: string, asked: Asked | null, ask: () => Promise<unknown>): LiveAnswer {
    this.slots.get(slot)?.forget()
    const answer = new LiveAnswer(inferenceId, (fromSeq) => {
      this.catchUp(answer, fromSeq).catch((thrown: unknown) => answer.refuse(llmErrorOf(thrown)))
    })
    const forget = this.feed.listen(inferenceId, answer.apply)
    const held: Slot = { answer, asked, taken: Promise.resolve(false), forget }
    this.slots.set(slot, held)
    held.taken = ask().then(
      () => true,
      (thrown: unknown) => {
        answer.refuse(llmErrorOf(thrown))
        return false
      }
    )
    this.changed()
    return answer
  }

  private async catchUp(answer: LiveAnswer, fromSeq: number): Promise<void> {
    const { events } = await this.llm.llmAttachInference(answer.inferenceId, fromSeq)
    for (const past of events) answer.apply(asTold(past))
  }

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher()
  }
}

function asTold({ method, params }: AttachedEvent): InferenceEvent {
  return { kind: method.slice('llm:'.length), event: params } as InferenceEvent
}
