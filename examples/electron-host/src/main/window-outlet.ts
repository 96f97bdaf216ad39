/**
 * The events on their way to one window's page.
 *
 * Law: a page that takes nothing (it hangs, or it is in a debugger) costs a bounded amount of memory and no other window
 * anything: at most `maxUntaken` events are sent ahead of it, the next ones wait here in their order, and beyond
 * `maxWaiting` those are left out that a page can ask for again. The end of something is never left out.
 */
import type { EventChannel } from '../shared/channels'
import type { WebContentsLike } from '../shared/transport'

export interface OutletRules {
  /** Events that were sent and not taken yet. */
  maxUntaken: number
  /** Characters of the events that wait. */
  maxWaiting: number
}

export const OUTLET_RULES: OutletRules = { maxUntaken: 512, maxWaiting: 4 * 1024 * 1024 }

/** By `llm:inference:attach`, from the answer to the request, or from the job itself. */
const ASKED_FOR_AGAIN: ReadonlySet<string> = new Set<EventChannel>([
  'llm:token', 'llm:thinking', 'llm:tool-call', 'llm:progress', 'llm:chat:chunk', 'llm:job:progress'
])

interface Waiting {
  channel: string
  payload: unknown
  size: number
}

export class WindowOutlet {
  private waiting: Waiting[] = []
  private size = 0
  private untaken = 0

  constructor(
    private readonly contents: Pick<WebContentsLike, 'send' | 'isDestroyed'>,
    private readonly rules: OutletRules = OUTLET_RULES
  ) {}

  send(channel: string, payload: unknown): void {
    const size = sizeOf(payload)
    if (this.size + size > this.rules.maxWaiting && ASKED_FOR_AGAIN.has(channel)) return
    this.waiting.push({ channel, payload, size })
    this.size += size
    this.pass()
  }

  /** The page took `count` events more. */
  taken(count: number): void {
    this.untaken = Math.max(0, this.untaken - count)
    this.pass()
  }

  /** A page is loaded, in place of the one before it: what was meant for that one is not for this one. */
  begin(): void {
    this.untaken = 0
    this.waiting = []
    this.size = 0
  }

  private pass(): void {
    const free = this.rules.maxUntaken - this.untaken
    if (free <= 0 || this.waiting.length === 0) return
    for (const { channel, payload, size } of this.waiting.splice(0, free)) {
      this.size -= size
      this.untaken += 1
      if (!this.contents.isDestroyed()) this.contents.send(channel, payload)
    }
  }
}

/** About: its text, and some for the rest. */
function sizeOf(payload: unknown): number {
  const { token, text, argumentsDelta } = payload as { token?: unknown; text?: unknown; argumentsDelta?: unknown }
  return [token, text, argumentsDelta].reduce<number>((sum, part) => sum + (typeof part === 'string' ? part.length : 0), 300)
}
