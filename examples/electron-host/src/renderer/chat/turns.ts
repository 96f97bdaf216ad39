/** What a conversation consists of, for the page. */
import type { ImagePart, Message, SessionMessage, TextPart } from '../../shared/protocol'
import type { AnswerSnapshot } from '../llm/live-answer'

export type Turn =
  /** Sent from this page. */
  | { kind: 'sent'; key: string; messages: Message[] }
  /** Answered on this page. */
  | { kind: 'answer'; key: string; text: string; snapshot: AnswerSnapshot }
  /** Read from the session's history. */
  | { kind: 'stored'; key: string; message: SessionMessage }

export function textOf(content: string | ReadonlyArray<TextPart | ImagePart>): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : '[picture]')).join('\n')
}

/** The messages of a conversation that no session keeps: the last hundred, without turns that failed. */
export function context(turns: readonly Turn[]): Message[] {
  const messages: Message[] = []
  turns.forEach((turn, index) => {
    if (turn.kind === 'sent') {
      const next = turns[index + 1]
      if (next?.kind !== 'answer' || next.snapshot.failure === null) messages.push(...turn.messages)
    } else if (turn.kind === 'answer' && turn.snapshot.failure === null) {
      messages.push(answered(turn.text, turn.snapshot))
    }
  })
  return messages.slice(-99)
}

function answered(content: string, { toolCalls, end }: AnswerSnapshot): Message {
  const message: Message = { role: 'assistant', content }
  if (toolCalls.length > 0) message.toolCalls = [...toolCalls]
  if (end !== null && 'providerState' in end && end.providerState !== undefined) message.providerState = end.providerState
  return message
}
