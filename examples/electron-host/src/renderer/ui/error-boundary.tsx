/** A fault of the page itself: said, with a way on, instead of an empty window. What the sidecar does goes on meanwhile. */
import { Component, type ReactNode } from 'react'

export class ErrorBoundary extends Component<{ children: ReactNode }, { fault: Error | null }> {
  override state: { fault: Error | null } = { fault: null }

  static getDerivedStateFromError(fault: Error): { fault: Error } {
    return { fault }
  }

  override render(): ReactNode {
    const { fault } = this.state
    if (fault === null) return this.props.children
    return (
      <main className="state-page">
        <div className="state-card" role="alert">
          <h1>This page has a fault</h1>
          <p className="advice">{fault.message}</p>
          <p className="muted">Nothing is lost: conversations and jobs are the sidecar’s.</p>
          <button type="button" className="primary" onClick={() => location.reload()}>Load it again</button>
        </div>
      </main>
    )
  }
}
