/** The chat: conversations at the side, the current one, and where the next message is written. */
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react'
import { llmErrorOf } from '../../shared/llm-error'
import type { Message } from '../../shared/protocol'
import type { Choice } from '../llm/choice'
import { explain } from '../llm/failures'
import { isOver } from '../llm/live-answer'
import { useLlmInference } from '../llm/use-llm-inference'
import { useNotices } from '../ui/notices'
import { Problem, Waiting, Warning } from '../ui/parts'
import { AnswerView } from './answer-view'
import { Composer } from './composer'
import type { Conversation } from './conversation'
import type { Conversations } from './conversations'
import { ModelPicker } from './model-picker'
import { SessionList } from './session-list'
import { TurnView } from './turn-view'
import { Turns } from './turns-view'
import { Welcome } from './welcome'

interface ChatPageProps {
  conversations: Conversations
  choice: Choice
  onChoose: (choice: Choice) => void
}

export function ChatPage({ conversations, choice, onChoose }: ChatPageProps) {
  const { current } = useSyncExternalStore(conversations.subscribe, conversations.snapshot)
  return (
    <div className="chat">
      <SessionList conversations={conversations} />
      <ConversationView key={current.slot} conversation={current} conversations={conversations} choice={choice} onChoose={onChoose} />
    </div>
  )
}

interface ConversationViewProps extends ChatPageProps {
  conversation: Conversation
}

function ConversationView({ conversation, conversations, choice, onChoose }: ConversationViewProps) {
  const { turns, history, problem, kept } = useSyncExternalStore(conversation.subscribe, conversation.snapshot)
  const { answer, response, isLoading, canRetry, cancel, retry } = useLlmInference({ slot: conversation.slot })
  const field = useRef<HTMLTextAreaElement>(null)
  const { say } = useNotices()
  useSpokenProgress(answer)
  useEscape(isLoading, () => void cancel())

  const send = (messages: Message[]): void => conversation.send(messages, choice)
  const fork = useCallback((messageId: string): void => {
    const { sessionId } = conversation.snapshot()
    if (sessionId !== null) conversations.fork(sessionId, messageId).catch((thrown: unknown) => say(llmErrorOf(thrown).message))
  }, [conversation, conversations, say])

  return (
    <main className="conversation" id="main" tabIndex={-1}>
      <header className="conversation-head">
        <h1 className="heard">Chat</h1>
        <ModelPicker choice={choice} onChoose={onChoose} />
      </header>
      <Turns>
        {history === 'loading' && <Waiting what="Reading the conversation" />}
        {history === 'failed' && problem !== null && <Problem problem={problem} onRetry={() => void conversation.load()} />}
        {!kept && <Warning>This conversation is not kept: {problem?.message}</Warning>}
        {turns.length === 0 && answer === null && history === 'complete' && (
          <Welcome demo={choice.providerId === 'demo'} onAsk={(text) => { send([{ role: 'user', content: text }]); field.current?.focus() }} />
        )}
        {turns.map((turn) => <TurnView key={turn.key} turn={turn} onFork={fork} />)}
        {answer !== null && (
          <AnswerView
            snapshot={answer}
            text={response}
            onRetry={canRetry ? retry : undefined}
            onToolResults={(results) => send([...results].map(([toolCallId, content]) => ({ role: 'tool', toolCallId, content })))}
          />
        )}
      </Turns>
      <Composer field={field} busy={isLoading} onSend={(text) => send([{ role: 'user', content: text }])} onStop={() => void cancel()} />
    </main>
  )
}

/** A screen reader is told of the beginning and the end, not of every token. */
function useSpokenProgress(answer: ReturnType<typeof useLlmInference>['answer']): void {
  const { announce } = useNotices()
  const status = answer?.status
  const over = status !== undefined && isOver(status)
  useEffect(() => {
    if (status === undefined) return
    if (!over) announce('The answer begins.')
  }, [answer?.inferenceId, over, announce])
  useEffect(() => {
    if (status === 'done') announce('The answer is complete.')
    else if (status === 'cancelled') announce('The answer was stopped.')
    else if (status === 'failed' && answer?.failure != null) announce(explain(answer.failure).title)
  }, [status, announce])
}

function useEscape(active: boolean, act: () => void): void {
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    if (!active) return
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && document.querySelector('dialog[open]') === null) latest.current()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [active])
}
