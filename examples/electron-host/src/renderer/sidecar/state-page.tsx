/** What the window shows while there is no sidecar: what is the matter, and what to do. Law: never blank, never without a way on. */
import { useEffect, useState } from 'react'
import type { SidecarFailure, SidecarState } from '../../shared/api'
import type { HostErrorCode } from '../../shared/ipc-result'
import { PlugIcon, RetryIcon, WarningIcon } from '../ui/icons'

const TITLES: Partial<Record<HostErrorCode, string>> = {
  SIDECAR_MISSING: 'llm-sidecar is not installed',
  SIDECAR_VERSION: 'The versions do not fit',
  SIDECAR_SLOW: 'llm-sidecar does not come up',
  SIDECAR_UNRESPONSIVE: 'llm-sidecar stopped answering',
  SIDECAR_CRASH_LOOP: 'llm-sidecar ends again and again',
  SIDECAR_REFUSED: 'llm-sidecar does not start',
  SIDECAR_EXITED: 'llm-sidecar ended',
  DATA_DIR_LOCKED: 'Another copy is running'
}

export function StatePage({ state }: { state: SidecarState }) {
  return (
    <main className="state-page" id="main" tabIndex={-1}>
      <div className="state-card" role="status">
        <div className={'failure' in state ? 'empty-icon bad' : 'empty-icon'}>{'failure' in state ? <WarningIcon /> : <PlugIcon />}</div>
        <Content state={state} />
      </div>
    </main>
  )
}

function Content({ state }: { state: SidecarState }) {
  switch (state.state) {
    case 'starting':
      return (
        <>
          <h1>{state.slow ? 'Still starting…' : 'Starting…'}</h1>
          <p className="muted">{state.slow ? 'It takes longer than usual. The computer may be busy; a virus scanner may read the program the first time.' : 'llm-sidecar is coming up.'}</p>
          <progress className="progress" aria-label="Starting" />
        </>
      )
    case 'restarting':
      return (
        <>
          <Told failure={state.failure} />
          <p>It is tried again <Countdown key={state.attempt} ms={state.retryInMs} /> (attempt {state.attempt}).</p>
          <Again label="Try now" />
        </>
      )
    case 'failed':
      return (
        <>
          <Told failure={state.failure} />
          <Again label="Try again" />
        </>
      )
    case 'stopped':
      return <><h1>Goodbye</h1><p className="muted">The app is about to end.</p></>
    case 'ready':
      return null
  }
}

function Told({ failure }: { failure: SidecarFailure }) {
  return (
    <>
      <h1>{TITLES[failure.code] ?? 'There is no sidecar'}</h1>
      <p>{failure.message}</p>
      <p className="advice">{failure.advice}</p>
      {failure.lastLines !== undefined && (
        <details className="last-lines">
          <summary>What it said last</summary>
          <pre tabIndex={0}>{failure.lastLines.join('\n')}</pre>
        </details>
      )}
      <code className="code-tag">{failure.code}</code>
    </>
  )
}

function Again({ label }: { label: string }) {
  return <button type="button" className="primary" onClick={() => void window.llm.llmRestartSidecar()}><RetryIcon />{label}</button>
}

export function Countdown({ ms }: { ms: number }) {
  const [left, setLeft] = useState(Math.ceil(ms / 1_000))
  useEffect(() => {
    if (left <= 0) return
    const timer = setTimeout(() => setLeft(left - 1), 1_000)
    return () => clearTimeout(timer)
  }, [left])
  return <>{left > 0 ? `in ${left} s` : 'now'}</>
}
