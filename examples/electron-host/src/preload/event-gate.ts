/**
 * Keeps the first events of an answer until the page knows its id.
 *
 * Law: an event is held only while a start is unanswered, or for the one turn in which its page is told the id; then it
 * follows, in its order. So a page that subscribes after `await llmInference(…)` misses nothing. What is held is bounded,
 * however long a start stays unanswered: where it becomes too much, all of it follows.
 */
const MOST_HELD = 4_096

export class EventGate {
  private starting = 0
  private count = 0
  private readonly held = new Map<string, Array<() => void>>()
  private readonly open = new Set<string>()

  constructor(private readonly later: (work: () => void) => void = (work) => void setTimeout(work, 0)) {}

  /** `reply` is the answer to a start: the inference's id. */
  async started(reply: Promise<string>): Promise<string> {
    this.starting += 1
    try {
      const inferenceId = await reply
      if (!this.held.has(inferenceId)) this.held.set(inferenceId, [])
      this.later(() => this.release(inferenceId))
      return inferenceId
    } finally {
      this.starting -= 1
      if (this.starting === 0) this.later(() => this.releaseStrangers())
    }
  }

  /** `deliver` an event of `inferenceId`, now or when it is released. */
  pass(inferenceId: string, terminal: boolean, deliver: () => void): void {
    const waiting = this.held.get(inferenceId)
    if (waiting !== undefined) this.hold(waiting, deliver)
    else if (this.starting > 0 && !this.open.has(inferenceId)) this.hold(this.held.set(inferenceId, []).get(inferenceId)!, deliver)
    else deliver()
    if (terminal) this.open.delete(inferenceId)
  }

  private hold(waiting: Array<() => void>, deliver: () => void): void {
    waiting.push(deliver)
    this.count += 1
    if (this.count > MOST_HELD) this.releaseAll()
  }

  private release(inferenceId: string): void {
    const waiting = this.held.get(inferenceId) ?? []
    this.held.delete(inferenceId)
    this.count -= waiting.length
    this.open.add(inferenceId)
    if (this.open.size > 1_000) this.open.delete(this.open.values().next().value as string)
    for (const deliver of waiting) deliver()
  }

  /** No start is unanswered any more: what is held belongs to answers that were started before this page was there. */
  private releaseStrangers(): void {
    if (this.starting === 0) this.releaseAll()
  }

  private releaseAll(): void {
    for (const inferenceId of [...this.held.keys()]) this.release(inferenceId)
  }
}
