/**
 * When to start a sidecar that ended again, and when to stop trying.
 *
 * Law: it decides from instants it is given (milliseconds of any monotonic clock) and keeps no clock of its own.
 */
export interface RestartRules {
  /** The first wait; each further one is twice as long, up to `maxDelayMs`. */
  firstDelayMs: number
  maxDelayMs: number
  /** More ends than this within `windowMs` are a loop. */
  maxEnds: number
  windowMs: number
}

export const RESTART_RULES: RestartRules = { firstDelayMs: 250, maxDelayMs: 10_000, maxEnds: 5, windowMs: 60_000 }

export class RestartPolicy {
  private ends: number[] = []

  constructor(private readonly rules: RestartRules = RESTART_RULES) {}

  /** The process ended at `now`: how many milliseconds to wait, or null for a loop. */
  ended(now: number): number | null {
    this.ends = this.ends.filter((at) => now - at < this.rules.windowMs)
    this.ends.push(now)
    if (this.ends.length > this.rules.maxEnds) return null
    return Math.min(this.rules.firstDelayMs * 2 ** (this.ends.length - 1), this.rules.maxDelayMs)
  }

  /** How often it ended lately. */
  get attempt(): number {
    return this.ends.length
  }

  reset(): void {
    this.ends = []
  }
}
