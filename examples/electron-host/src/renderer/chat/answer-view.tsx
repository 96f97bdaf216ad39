/** An answer: what the model thought, said and called, how it ended and what it took. */
import type { AnswerSnapshot } from '../llm/live-answer'
import { isOver } from '../llm/live-answer'
import { MarkdownView } from '../markdown/markdown-view'
import { CopyButton } from '../markdown/code-block'
import { AnswerLine } from './answer-line'
import { FailureCard } from './failure-card'
import { Reasoning } from './reasoning'
import { ToolCalls } from './tool-calls'

interface AnswerViewProps {
  snapshot: AnswerSnapshot
  text: string
  /** Only of the last answer. */
  onRetry?: (() => void) | undefined
  onToolResults?: ((results: Map<string, string>) => void) | undefined
}

export function AnswerView({ snapshot, text, onRetry, onToolResults }: AnswerViewProps) {
  const { status, blocks, reasoning, toolCalls, notice, failure, end } = snapshot
  const over = isOver(status)
  const empty = blocks.groups.length === 0 && blocks.open.length === 0
  return (
    <article className={over ? 'turn answer' : 'turn answer live'} aria-label="Answer" aria-busy={!over}>
      {reasoning !== '' && <Reasoning text={reasoning} going={status === 'reasoning'} />}
      <MarkdownView blocks={blocks} />
      {!over && empty && toolCalls.length === 0 && (
        <p className="waiting"><span className="dots" aria-hidden="true"><i /><i /><i /></span>{notice ?? (status === 'reasoning' ? 'Thinking' : 'Starting')}</p>
      )}
      {!over && !empty && notice !== null && <p className="waiting">{notice}</p>}
      {toolCalls.length > 0 && <ToolCalls calls={toolCalls} onResults={status === 'done' ? onToolResults : undefined} />}
      {failure !== null && <FailureCard failure={failure} partial={text !== ''} onRetry={onRetry} />}
      <footer className="answer-foot">
        <AnswerLine snapshot={snapshot} />
        {over && text !== '' && <CopyButton text={text} what="answer" />}
        {over && failure === null && end !== null && onRetry !== undefined && status === 'cancelled' && (
          <button type="button" className="quiet small" onClick={onRetry}>Ask again</button>
        )}
      </footer>
    </article>
  )
}
