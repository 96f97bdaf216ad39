/** A turn of a conversation, by its kind. Law: what does not change is not rendered again. */
import { memo, useMemo } from 'react'
import type { Message, SessionMessage } from '../../shared/protocol'
import { CopyButton } from '../markdown/code-block'
import { parseMarkdown } from '../markdown/markdown-stream'
import { MarkdownView } from '../markdown/markdown-view'
import { fully, money, plural } from '../ui/figures'
import { ForkIcon } from '../ui/icons'
import { AnswerView } from './answer-view'
import { ToolCalls } from './tool-calls'
import { textOf, type Turn } from './turns'

export const TurnView = memo(function TurnView({ turn, onFork }: { turn: Turn; onFork: (messageId: string) => void }) {
  switch (turn.kind) {
    case 'sent':
      return <>{turn.messages.map((message, index) => <Spoken key={index} message={message} />)}</>
    case 'answer':
      return <AnswerView snapshot={turn.snapshot} text={turn.text} />
    case 'stored':
      return turn.message.role === 'assistant' ? (
        <StoredAnswer message={turn.message} onFork={onFork} />
      ) : (
        <Spoken message={turn.message} />
      )
  }
})

/** What the user, a tool or the system said: as it was written, not as Markdown. */
function Spoken({ message }: { message: Pick<Message, 'role' | 'content' | 'toolCallId'> }) {
  const text = textOf(message.content)
  if (message.role === 'user') return <article className="turn said" aria-label="You"><div className="bubble"><Directed text={text} /></div></article>
  const who = message.role === 'tool' ? 'Result of a tool' : 'System prompt'
  return (
    <details className="turn aside">
      <summary>{who}</summary>
      <pre>{text}</pre>
    </details>
  )
}

/** What only directs the demo provider stands back behind what is said. */
function Directed({ text }: { text: string }) {
  return text.split(/(\[\[demo:.*?\]\])/s).map((part, index) => (index % 2 === 1 ? <code key={index} className="directive">{part}</code> : part))
}

const STATES: Record<string, string> = { cancelled: 'stopped', interrupted: 'interrupted', running: 'being written' }

function StoredAnswer({ message, onFork }: { message: SessionMessage; onFork: (messageId: string) => void }) {
  const text = textOf(message.content)
  const blocks = useMemo(() => parseMarkdown(text), [text])
  const parts = [message.modelId, message.totalTokens === undefined ? undefined : plural(message.totalTokens, 'token')]
  if (message.cost !== undefined) parts.push(money(message.cost))
  parts.push(fully(message.createdAt))
  const state = STATES[message.state ?? 'complete']
  return (
    <article className="turn answer" aria-label="Answer">
      <MarkdownView blocks={blocks} />
      {message.toolCalls !== undefined && <ToolCalls calls={message.toolCalls} />}
      <footer className="answer-foot">
        <p className="answer-line">
          {state !== undefined && <span className="tag">{state}</span>}
          {parts.filter((part) => part !== undefined).join(' · ')}
        </p>
        {text !== '' && <CopyButton text={text} what="answer" />}
        <button type="button" className="quiet small" onClick={() => onFork(message.messageId)} title="Go on from here in a new conversation">
          <ForkIcon /><span>Fork</span>
        </button>
      </footer>
    </article>
  )
}
