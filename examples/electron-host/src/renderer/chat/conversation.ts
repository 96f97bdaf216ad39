/**
 * One conversation: a session of the sidecar, and what this page knows of it.
 *
 * Law: the session is made with the first message; where it cannot be kept, the conversation goes on without and says so.
 * What was sent stays on the page whatever becomes of it. Snapshots are immutable.
 */
import type { LlmApi } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { Message, SessionMessage } from '../../shared/protocol'
import type { Choice } from '../llm/choice'
import { isStorageProblem } from '../llm/failures'
import type { Inferences } from '../llm/inferences'
import { context, type Turn } from './turns'

export interface ConversationSnapshot {
  readonly sessionId: string | null
  readonly turns: readonly Turn[]
  readonly history: 'loading' | 'complete' | 'failed'
  readonly problem: IpcError | null
  /** False: nothing of it is stored, and why is in `problem`. */
  readonly kept: boolean
}

const PAGE = 100
const TITLE = 80

export class Conversation {
  /** Of its answers, among the page's `Inferences`. */
  readonly slot = crypto.randomUUID()
  private readonly watchers = new Set<() => void>()
  private current: ConversationSnapshot
  private reading: Promise<void> | null = null

  constructor(
    private readonly llm: LlmApi,
    private readonly inferences: Inferences,
    sessionId: string | null,
    private readonly onNews: () => void
  ) {
    const history = sessionId === null ? 'complete' : 'loading'
    this.current = { sessionId, turns: [], history, problem: null, kept: true }
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }

  readonly snapshot = (): ConversationSnapshot => this.current

  get busy(): boolean {
    return this.inferences.answer(this.slot)?.over === false
  }

  /** Its messages, page by page, once. */
  load(): Promise<void> {
    if (this.current.sessionId === null || this.current.history === 'complete') return Promise.resolve()
    this.reading ??= this.read(this.current.sessionId).finally(() => (this.reading = null))
    return this.reading
  }

  /** A message of the user, or results of the tools that the last answer called. */
  send(messages: Message[], choice: Choice): void {
    if (this.busy) return
    this.settle()
    this.set({ turns: [...this.current.turns, { kind: 'sent', key: crypto.randomUUID(), messages }] })
    const before = context(this.current.turns.slice(0, -1))
    const answer = this.inferences.run(this.slot, async () => {
      const sessionId = await this.session(messages, choice)
      if (sessionId === null) return { messages: [...before, ...messages], ...choice }
      return { sessionId, messages, ...choice }
    })
    const ended = answer.subscribe(() => {
      if (!answer.over) return
      ended()
      this.onNews()
    })
    this.onNews()
  }

  /** Null: it cannot be kept. */
  private async session(messages: Message[], choice: Choice): Promise<string | null> {
    if (this.current.sessionId !== null || !this.current.kept) return this.current.sessionId
    const first = messages[0]
    const title = typeof first?.content === 'string' ? titled(first.content) : ''
    try {
      const { sessionId } = await this.llm.llmCreateSession({ ...choice, metadata: { title } })
      this.set({ sessionId })
      return sessionId
    } catch (thrown) {
      const problem = llmErrorOf(thrown)
      if (!isStorageProblem(problem)) throw thrown
      this.set({ kept: false, problem })
      return null
    }
  }

  /** The last answer becomes a turn, so that the next one has its place. */
  private settle(): void {
    const answer = this.inferences.answer(this.slot)
    if (answer === null) return
    const turn: Turn = { kind: 'answer', key: answer.inferenceId, text: answer.text, snapshot: answer.snapshot() }
    this.set({ turns: [...this.current.turns, turn] })
    this.inferences.forget(this.slot)
  }

  private async read(sessionId: string): Promise<void> {
    const stored: Turn[] = []
    let cursor: string | null = null
    try {
      do {
        const page: { messages: SessionMessage[]; nextCursor: string | null } = await this.llm.llmGetSessionHistory({
          sessionId,
          limit: PAGE,
          ...(cursor === null ? {} : { cursor })
        })
        for (const message of page.messages) stored.push({ kind: 'stored', key: message.messageId, message })
        cursor = page.nextCursor
        this.set({ turns: [...stored] })
      } while (cursor !== null)
      this.resume(stored)
      this.set({ history: 'complete', problem: null })
    } catch (thrown) {
      this.set({ history: 'failed', problem: llmErrorOf(thrown) })
    }
  }

  /** The page was loaded again while an answer was being written. */
  private resume(stored: Turn[]): void {
    const last = stored.at(-1)
    if (last?.kind !== 'stored' || last.message.state !== 'running' || last.message.inferenceId === undefined) return
    this.set({ turns: stored.slice(0, -1) })
    const answer = this.inferences.attach(this.slot, last.message.inferenceId)
    const ended = answer.subscribe(() => {
      if (answer.snapshot().failure?.code === 'INFERENCE_NOT_FOUND') {
        this.inferences.forget(this.slot)
        this.set({ turns: stored })
      }
      if (answer.over) ended()
    })
  }

  private set(change: Partial<ConversationSnapshot>): void {
    this.current = { ...this.current, ...change }
    for (const watcher of [...this.watchers]) watcher()
  }
}

/** The beginning of the first message, without what only directs the demo provider. */
function titled(text: string): string {
  const plain = text.replace(/\[\[demo:.*?\]\]/gs, ' ').replace(/\s+/g, ' ').trim()
  return (plain === '' ? text : plain).slice(0, TITLE)
}
