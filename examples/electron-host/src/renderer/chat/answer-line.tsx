/** What an answer took, in one line. Law: an estimate says that it is one; an unknown price is not a zero. */
import type { AnswerSnapshot } from '../llm/live-answer'
import { count, duration, money, plural } from '../ui/figures'

export function AnswerLine({ snapshot }: { snapshot: AnswerSnapshot }) {
  const { status, end, tokens } = snapshot
  if (end === null) return status === 'failed' || tokens === 0 ? null : <p className="answer-line">{plural(tokens, 'token')}</p>
  const { usage, cost, timings, modelId, attempts } = end
  const parts = [modelId]
  if (usage.totalTokens > 0) {
    const about = usage.source === 'reported' ? '' : usage.source === 'estimated' ? ' (estimated)' : ' (so far)'
    parts.push(`${count(usage.promptTokens)} → ${plural(usage.completionTokens, 'token')}${about}`)
  }
  if (usage.reasoningTokens !== undefined && usage.reasoningTokens > 0) parts.push(`${count(usage.reasoningTokens)} of them reasoning`)
  if (status !== 'failed' || usage.totalTokens > 0) parts.push(cost == null ? 'price unknown' : money(cost))
  if (timings.firstTokenMs !== null) parts.push(`first token ${duration(timings.firstTokenMs)}`)
  if (timings.totalMs > 0) parts.push(duration(timings.totalMs))
  if (attempts > 1) parts.push(plural(attempts, 'attempt'))
  if ('cached' in end && end.cached === true) parts.push('from the cache')
  return (
    <p className="answer-line">
      {status === 'cancelled' && <span className="tag">stopped</span>}
      {status === 'done' && 'finishReason' in end && REASONS[end.finishReason] !== undefined && <span className="tag">{REASONS[end.finishReason]}</span>}
      {parts.filter((part) => part !== '').join(' · ')}
    </p>
  )
}

const REASONS: Record<string, string> = { length: 'cut off at its limit', content_filter: 'withheld by a filter' }
