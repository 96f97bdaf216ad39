/** The stored conversations, at the side. Law: arrow keys move in it; deleting asks first; what is answered has a mark. */
import { useState, useSyncExternalStore } from 'react'
import type { LlmSessionInfo } from '../../shared/api'
import { llmErrorOf } from '../../shared/llm-error'
import { Dialog } from '../ui/dialog'
import { plural, when } from '../ui/figures'
import { ForkIcon, PlusIcon, TrashIcon } from '../ui/icons'
import { moveInList } from '../ui/list-keys'
import { useNotices } from '../ui/notices'
import { Problem } from '../ui/parts'
import type { Conversations } from './conversations'

export function titleOf({ metadata, createdAt }: LlmSessionInfo): string {
  const title = metadata?.['title']
  return typeof title === 'string' && title !== '' ? title : `Conversation of ${when(createdAt)}`
}

export function SessionList({ conversations }: { conversations: Conversations }) {
  const { sessions, more, problem, loaded, current, busy } = useSyncExternalStore(conversations.subscribe, conversations.snapshot)
  const shown = useSyncExternalStore(current.subscribe, current.snapshot).sessionId
  const [deleting, setDeleting] = useState<LlmSessionInfo | null>(null)
  const { say } = useNotices()

  const attempt = (what: Promise<unknown>): void => void what.catch((thrown: unknown) => say(llmErrorOf(thrown).message))

  return (
    <nav className="sessions" aria-label="Conversations">
      <button type="button" className="primary wide" onClick={() => conversations.startNew()}>
        <PlusIcon />New chat<kbd aria-hidden="true">Ctrl K</kbd>
      </button>
      {problem !== null && <Problem problem={problem} onRetry={() => void conversations.refresh()} />}
      <ul className="session-items" onKeyDown={moveInList}>
        {sessions.map((session, index) => (
          <li key={session.sessionId} className={session.sessionId === shown ? 'session current' : 'session'}>
            <button
              type="button"
              className="session-open"
              data-item
              tabIndex={session.sessionId === shown || (index === 0 && !sessions.some((each) => each.sessionId === shown)) ? 0 : -1}
              aria-current={session.sessionId === shown ? 'true' : undefined}
              onClick={() => conversations.show(session.sessionId)}
            >
              <span className="session-title">{titleOf(session)}</span>
              <span className="muted session-line">
                {busy.has(session.sessionId) ? <span className="pulse">answering</span> : when(session.lastActivity)}
                {session.messageCount > 0 && ` · ${plural(session.messageCount, 'message')}`}
              </span>
            </button>
            <span className="session-tools">
              <button type="button" className="quiet icon-only" aria-label={`Fork “${titleOf(session)}”`} title="Fork" onClick={() => attempt(conversations.fork(session.sessionId))}>
                <ForkIcon />
              </button>
              <button type="button" className="quiet icon-only" aria-label={`Delete “${titleOf(session)}”`} title="Delete" onClick={() => setDeleting(session)}>
                <TrashIcon />
              </button>
            </span>
          </li>
        ))}
      </ul>
      {more && <button type="button" className="quiet wide" onClick={() => void conversations.more()}>Older conversations</button>}
      {loaded && sessions.length === 0 && problem === null && <p className="muted none">Conversations are kept here.</p>}
      {deleting !== null && (
        <Dialog title="Delete this conversation?" onClose={() => setDeleting(null)}>
          <p>“{titleOf(deleting)}” and its {plural(deleting.messageCount, 'message')} will be gone. This cannot be undone.</p>
          <div className="buttons">
            <button type="button" autoFocus onClick={() => setDeleting(null)}>Keep</button>
            <button
              type="button"
              className="danger"
              onClick={() => {
                attempt(conversations.remove(deleting.sessionId).then(() => say('The conversation was deleted.')))
                setDeleting(null)
              }}
            >
              Delete
            </button>
          </div>
        </Dialog>
      )}
    </nav>
  )
}
