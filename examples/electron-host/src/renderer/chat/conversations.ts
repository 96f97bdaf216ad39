/**
 * The conversations of this window: the stored ones, newest first, and those that are open on the page.
 *
 * Law: the list is the sidecar's; the page asks again after what may have changed it. An open conversation keeps its
 * state, and its answer, while another one is shown.
 */
import type { LlmApi, LlmSessionInfo } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { Inferences } from '../llm/inferences'
import { Conversation } from './conversation'

export interface ConversationsSnapshot {
  readonly sessions: readonly LlmSessionInfo[]
  readonly more: boolean
  readonly problem: IpcError | null
  readonly loaded: boolean
  readonly current: Conversation
  /** Sessions that are being answered. */
  readonly busy: ReadonlySet<string>
}

const PAGE = 50

export class Conversations {
  private readonly open = new Map<string, Conversation>()
  private readonly watchers = new Set<() => void>()
  private cursor: string | null = null
  private current: ConversationsSnapshot

  constructor(private readonly llm: LlmApi, private readonly inferences: Inferences) {
    this.current = { sessions: [], more: false, problem: null, loaded: false, current: this.made(null), busy: new Set() }
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }

  readonly snapshot = (): ConversationsSnapshot => this.current

  /** The first page of the list. */
  async refresh(): Promise<void> {
    await this.read(null)
  }

  async more(): Promise<void> {
    if (this.cursor !== null) await this.read(this.cursor)
  }

  startNew(): void {
    this.set({ current: this.made(null) })
  }

  show(sessionId: string): void {
    let conversation = [...this.open.values()].find((each) => each.snapshot().sessionId === sessionId)
    conversation ??= this.made(sessionId)
    this.set({ current: conversation })
    void conversation.load()
  }

  /** Rejects with what `llmErrorOf` reads. */
  async remove(sessionId: string): Promise<void> {
    await this.llm.llmDestroySession(sessionId)
    for (const [slot, conversation] of [...this.open]) {
      if (conversation.snapshot().sessionId !== sessionId) continue
      this.open.delete(slot)
      this.inferences.forget(slot)
      if (this.current.current === conversation) this.startNew()
    }
    await this.refresh()
  }

  async fork(sessionId: string, atMessageId?: string): Promise<void> {
    const made = await this.llm.llmForkSession({ sessionId, ...(atMessageId === undefined ? {} : { atMessageId }) })
    await this.refresh()
    this.show(made.sessionId)
  }

  private made(sessionId: string | null): Conversation {
    const conversation = new Conversation(this.llm, this.inferences, sessionId, () => void this.refresh())
    this.open.set(conversation.slot, conversation)
    this.tidy()
    return conversation
  }

  /** Conversations that were opened and left without a word, or are stored and quiet, need not be kept here. */
  private tidy(): void {
    for (const [slot, conversation] of [...this.open].slice(0, -10)) {
      if (conversation.busy || conversation === this.current?.current || !conversation.snapshot().kept) continue
      this.open.delete(slot)
      this.inferences.forget(slot)
    }
  }

  private async read(cursor: string | null): Promise<void> {
    try {
      const page = await this.llm.llmListSessions({ limit: PAGE, ...(cursor === null ? {} : { cursor }) })
      const before = cursor === null ? [] : this.current.sessions
      this.cursor = page.nextCursor
      this.set({ sessions: [...before, ...page.sessions], more: page.nextCursor !== null, problem: null, loaded: true })
    } catch (thrown) {
      this.set({ problem: llmErrorOf(thrown), loaded: true })
    }
  }

  private set(change: Partial<ConversationsSnapshot>): void {
    const busy = [...this.open.values()].flatMap((each) => (each.busy ? (each.snapshot().sessionId ?? []) : []))
    this.current = { ...this.current, ...change, busy: new Set(busy) }
    for (const watcher of [...this.watchers]) watcher()
  }
}
