/** An answer that failed: what happened, what helps, and a button for it. */
import { useEffect, useState } from 'react'
import type { IpcError } from '../../shared/ipc-result'
import { explain } from '../llm/failures'
import { hashOf } from '../route'
import { RetryIcon, WarningIcon } from '../ui/icons'

interface FailureCardProps {
  failure: IpcError
  /** There is text above. */
  partial: boolean
  onRetry?: (() => void) | undefined
}

export function FailureCard({ failure, partial, onRetry }: FailureCardProps) {
  const { title, advice, remedy } = explain(failure)
  const wait = useCountdown(failure.retryAfterMs ?? 0)
  return (
    <div className="problem" role="alert">
      <WarningIcon />
      <div>
        <strong>{title}</strong>
        <p>{failure.message} {advice}</p>
        {partial && <p className="muted">What is above is as far as it came; the conversation goes on without this turn.</p>}
        <code className="code-tag">{failure.code}</code>
      </div>
      <div className="buttons">
        {(remedy === 'profiles' || remedy === 'models' || remedy === 'usage') && <a className="button" href={hashOf(remedy)}>Open {remedy}</a>}
        {onRetry !== undefined && (
          <button type="button" onClick={onRetry}><RetryIcon />Try again{wait > 0 ? ` (in ${wait} s)` : ''}</button>
        )}
      </div>
    </div>
  )
}

/** Whole seconds that are left of `ms`. */
function useCountdown(ms: number): number {
  const [left, setLeft] = useState(Math.ceil(ms / 1_000))
  useEffect(() => {
    if (left <= 0) return
    const timer = setTimeout(() => setLeft(left - 1), 1_000)
    return () => clearTimeout(timer)
  }, [left])
  return left
}
