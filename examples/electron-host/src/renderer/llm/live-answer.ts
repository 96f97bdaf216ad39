/**
 * One answer while it is written: events in, a snapshot for the page out.
 *
 * Law: an event counts once, in the order of `seq`; where one is missing, it is asked for, and what came too early waits.
 * Snapshots are immutable and change at most once a frame, however many tokens came. Nothing follows the end.
 */
import type { LlmDoneEvent, LlmErrorEvent, LlmThinkingEvent } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import type { ToolCall } from '../../shared/protocol'
import { MarkdownStream, NOTHING, type MarkdownBlocks } from '../markdown/markdown-stream'
import { atNextFrame } from './frames'
import type { InferenceEvent } from './inference-feed'

export type AnswerStatus = 'starting' | 'waiting' | 'reasoning' | 'writing' | 'done' | 'cancelled' | 'failed'

export interface AnswerSnapshot {
  readonly inferenceId: string
  readonly status: AnswerStatus
  readonly blocks: MarkdownBlocks
  /** Text that is here, but not yet in `blocks`. */
  readonly behind: boolean
  readonly reasoning: string
  readonly toolCalls: readonly ToolCall[]
  /** What it waits for, in a few words. */
  readonly notice: string | null
  /** Deltas of text that came. */
  readonly tokens: number
  readonly failure: IpcError | null
  readonly end: LlmDoneEvent | LlmErrorEvent | null
}

const OVER: readonly AnswerStatus[] = ['done', 'cancelled', 'failed']
/** How long one frame may spend on Markdown, in milliseconds. */
const FRAME_BUDGET = 6

export const isOver = (status: AnswerStatus): boolean => OVER.includes(status)

export class LiveAnswer {
  private readonly markdown = new MarkdownStream()
  private readonly calls: ToolCall[] = []
  private readonly watchers = new Set<() => void>()
  /** The whole text so far. */
  text = ''
  private status: AnswerStatus = 'starting'
  private reasoning = ''
  private notice: string | null = null
  private tokens = 0
  private failure: IpcError | null = null
  private end: LlmDoneEvent | LlmErrorEvent | null = null
  private nextSeq = 0
  /** What came before something that is missing. */
  private readonly early = new Map<number, InferenceEvent>()
  private current: AnswerSnapshot

  /** `onGap`: events from this `seq` on did not come. */
  constructor(readonly inferenceId: string, private readonly onGap: (fromSeq: number) => void = () => undefined) {
    this.current = this.taken(NOTHING)
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }

  readonly snapshot = (): AnswerSnapshot => this.current

  get over(): boolean {
    return isOver(this.status)
  }

  readonly apply = (told: InferenceEvent): void => {
    const { seq } = told.event
    if (this.over || seq < this.nextSeq) return
    if (seq > this.nextSeq) {
      if (this.early.size === 0) this.onGap(this.nextSeq)
      this.early.set(seq, told)
      return
    }
    for (let next: InferenceEvent | undefined = told; next !== undefined; next = this.early.get(this.nextSeq)) {
      this.early.delete(this.nextSeq)
      this.nextSeq += 1
      this.take(next)
    }
    atNextFrame(this.refresh)
  }

  /** It was not taken, or it will not be heard of again. */
  refuse(failure: IpcError): void {
    if (this.over) return
    this.failure = failure
    this.status = 'failed'
    atNextFrame(this.refresh)
  }

  private take(told: InferenceEvent): void {
    switch (told.kind) {
      case 'token':
        this.write(told.event.token)
        this.tokens += told.event.count
        break
      case 'thinking':
        this.think(told.event)
        break
      case 'tool-call':
        this.call(told.event)
        break
      case 'progress': {
        const { current, total, message } = told.event
        this.notice = message ?? `Reading the prompt: ${current}${total === undefined ? '' : ` of ${total}`} tokens`
        break
      }
      case 'done':
        if (told.event.text !== undefined && this.text === '') this.write(told.event.text)
        if (told.event.toolCalls !== undefined) this.calls.splice(0, Infinity, ...told.event.toolCalls)
        this.end = told.event
        this.status = told.event.cancelled === true ? 'cancelled' : 'done'
        break
      case 'error': {
        const { code, error, retryable, retryAfterMs, details } = told.event
        this.failure = { code, message: error, retryable }
        if (retryAfterMs !== undefined) this.failure.retryAfterMs = retryAfterMs
        if (details !== undefined) this.failure.details = details
        this.end = told.event
        this.status = 'failed'
      }
    }
  }

  private write(text: string): void {
    this.status = 'writing'
    this.notice = null
    this.text += text
    this.markdown.append(text)
  }

  private think({ status, text, code, attempt }: LlmThinkingEvent): void {
    if (status === 'reasoning') {
      this.status = 'reasoning'
      this.reasoning += text ?? ''
      this.notice = null
    } else if (this.status !== 'writing') {
      this.status = 'waiting'
      this.notice = {
        initializing: 'Connecting',
        processing: 'Waiting for the first word',
        queued: 'Waiting for a free place',
        retrying: `Trying again${attempt === undefined ? '' : ` (attempt ${attempt})`}${code === undefined ? '' : `: ${code}`}`
      }[status]
    }
  }

  private call({ index, id, name, argumentsDelta }: { index: number; id?: string; name?: string; argumentsDelta: string }): void {
    const known = this.calls[index] ?? { id: '', name: '', arguments: '' }
    this.calls[index] = { id: id ?? known.id, name: name ?? known.name, arguments: known.arguments + argumentsDelta }
    this.notice = null
    if (this.status !== 'writing') this.status = 'writing'
  }

  private readonly refresh = (): void => {
    const blocks = this.markdown.read(FRAME_BUDGET, this.over)
    this.current = this.taken(blocks)
    if (this.markdown.behind) atNextFrame(this.refresh)
    for (const watcher of [...this.watchers]) watcher()
  }

  private taken(blocks: MarkdownBlocks): AnswerSnapshot {
    const { inferenceId, status, reasoning, notice, tokens, failure, end } = this
    const toolCalls = this.calls.filter((call) => call !== undefined)
    return { inferenceId, status, blocks, behind: this.markdown.behind, reasoning, toolCalls, notice, tokens, failure, end }
  }
}
