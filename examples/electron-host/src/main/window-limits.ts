/**
 * How much one window may ask: a token bucket for the pace, a bound for what is unanswered.
 *
 * Law: a refusal is `RATE_LIMIT`, says when to come back, and costs nothing but itself; windows do not share a limit.
 */
import { LlmError } from '../shared/llm-error'

export interface WindowRules {
  /** Requests at once, after a while of silence. */
  burst: number
  perSecond: number
  /** Requests without an answer yet. */
  maxUnanswered: number
}

export const WINDOW_RULES: WindowRules = { burst: 200, perSecond: 50, maxUnanswered: 64 }

export class WindowLimits {
  private tokens: number
  private at: number
  private unanswered = 0

  constructor(private readonly rules: WindowRules, private readonly now: () => number = () => performance.now()) {
    this.tokens = rules.burst
    this.at = now()
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.admit()
    this.unanswered += 1
    try {
      return await work()
    } finally {
      this.unanswered -= 1
    }
  }

  private admit(): void {
    const { burst, perSecond, maxUnanswered } = this.rules
    const now = this.now()
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond)
    this.at = now
    if (this.unanswered >= maxUnanswered) throw refusal('This window waits for too many answers.', maxUnanswered, 1_000)
    if (this.tokens < 1) throw refusal('This window asks too often.', perSecond, ((1 - this.tokens) / perSecond) * 1_000)
    this.tokens -= 1
  }
}

function refusal(message: string, limit: number, afterMs: number): LlmError {
  const retryAfterMs = Math.ceil(afterMs)
  return new LlmError({ code: 'RATE_LIMIT', message, retryable: true, retryAfterMs, details: { scope: 'window', limit } })
}
