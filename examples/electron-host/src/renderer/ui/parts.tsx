/** Small parts that every page has. */
import type { ReactNode } from 'react'
import type { IpcError } from '../../shared/ipc-result'
import { explain } from '../llm/failures'
import { RetryIcon, WarningIcon } from './icons'

/** `actions` stand at the right of the title. */
export function Page({ title, hint, actions, children }: { title: string; hint?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {hint !== undefined && <p className="muted">{hint}</p>}
        </div>
        <div className="actions">{actions}</div>
      </header>
      {children}
    </main>
  )
}

export function Empty({ icon, title, children }: { icon: ReactNode; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <div className="empty-icon">{icon}</div>
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** Something a page asked for could not be had. */
export function Problem({ problem, onRetry }: { problem: IpcError; onRetry?: () => void }) {
  const { title, advice } = explain(problem)
  return (
    <div className="problem" role="alert">
      <WarningIcon />
      <div>
        <strong>{title}</strong>
        <p>{problem.message}{advice === null ? '' : ` ${advice}`}</p>
        <code className="code-tag">{problem.code}</code>
      </div>
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}><RetryIcon />Try again</button>
      )}
    </div>
  )
}

export function Warning({ children }: { children: ReactNode }) {
  return <div className="warning" role="note"><WarningIcon /><div>{children}</div></div>
}

export function Waiting({ what }: { what: string }) {
  return <p className="waiting" role="status"><span className="spinner" aria-hidden="true" />{what}</p>
}

/** `total` undefined: how far it has come, but not of how much. */
export function Progress({ label, current, total }: { label: string; current: number; total?: number | undefined }) {
  return total === undefined || total === 0 ? (
    <progress className="progress" aria-label={label} />
  ) : (
    <progress className="progress" aria-label={label} value={current} max={total} />
  )
}
