/**
 * One answer at a time, for a component: ask, watch, cancel, ask again.
 *
 * Law: what it returns changes at most once a frame. Without a `slot`, the answer is the component's own and is cancelled
 * when it goes; with one, it goes on and is there again when a component with the same slot comes.
 */
import { useCallback, useEffect, useId, useRef, useSyncExternalStore } from 'react'
import type { LlmInferenceRequest } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import type { Message } from '../../shared/protocol'
import { useInferences } from './context'
import { isOver, type AnswerSnapshot, type LiveAnswer } from './live-answer'

export interface UseLlmInferenceOptions extends Omit<LlmInferenceRequest, 'messages' | 'inferenceId'> {
  /** Run in this session: `messages` are then the new ones of the turn. */
  sessionId?: string
  slot?: string
  onError?: (error: { error: string; code: string; retryable: boolean }) => void
}

export interface LlmInferenceState {
  /** Null before the first. */
  answer: AnswerSnapshot | null
  /** The text so far. */
  response: string
  isLoading: boolean
  /** Why it failed, for people; `failure` is the same for programs. */
  error: string | null
  failure: IpcError | null
  canRetry: boolean
  runInference(messages: Message[], more?: Partial<UseLlmInferenceOptions>): Promise<void>
  cancel(): Promise<void>
  retry(): void
}

const NEVER = (): (() => void) => () => undefined
const NONE = (): null => null

export function useLlmInference(options: UseLlmInferenceOptions): LlmInferenceState {
  const inferences = useInferences()
  const own = useId()
  const slot = options.slot ?? own
  const latest = useRef(options)
  latest.current = options

  const live = useSyncExternalStore(inferences.subscribe, () => inferences.answer(slot))
  const answer = useSyncExternalStore<AnswerSnapshot | null>(live?.subscribe ?? NEVER, live?.snapshot ?? NONE)
  useFailures(live, answer, latest)

  useEffect(() => {
    if (options.slot !== undefined) return
    return () => void inferences.cancel(own).then(() => inferences.forget(own))
  }, [inferences, own, options.slot])

  const runInference = useCallback(
    async (messages: Message[], more: Partial<UseLlmInferenceOptions> = {}): Promise<void> => {
      const { slot: _slot, onError: _onError, ...request } = { ...latest.current, ...more }
      inferences.run(slot, { ...request, messages })
    },
    [inferences, slot]
  )
  const cancel = useCallback(() => inferences.cancel(slot), [inferences, slot])
  const retry = useCallback(() => void inferences.retry(slot), [inferences, slot])

  return {
    answer,
    response: answer === null ? '' : (live?.text ?? ''),
    isLoading: answer !== null && !isOver(answer.status),
    error: answer?.failure?.message ?? null,
    failure: answer?.failure ?? null,
    canRetry: inferences.repeatable(slot),
    runInference,
    cancel,
    retry
  }
}

/** `onError`, once for each answer that failed. */
function useFailures(live: LiveAnswer | null, answer: AnswerSnapshot | null, latest: { current: UseLlmInferenceOptions }): void {
  const told = useRef<LiveAnswer | null>(null)
  useEffect(() => {
    if (live === null || answer?.failure == null || told.current === live) return
    told.current = live
    const { message: error, code, retryable } = answer.failure
    latest.current.onError?.({ error, code, retryable })
  }, [live, answer, latest])
}
