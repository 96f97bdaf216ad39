/**
 * The three components that were asked for, in other words: a hook on `window.llm` alone, a chat on our hook, a session.
 * They only have to compile; `src/renderer` has those that are used.
 */
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useLlmInference } from '../../src/renderer/llm/use-llm-inference'

interface Turn {
  role: 'user' | 'assistant'
  content: string
}

interface Options {
  providerId: string
  modelId?: string
  temperature?: number
  maxTokens?: number
  systemPrompt?: string
  onError?: (error: { error: string; code: string; retryable: boolean }) => void
}

/** Because the preload keeps the first events until the id is known, listening for an id that comes later loses nothing. */
export function usePlainInference(options: Options) {
  const [text, setText] = useState('')
  const [running, setRunning] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const id = useRef<string | null>(null)
  const { onError } = options

  useEffect(() => {
    const over = (): void => {
      id.current = null
      setRunning(false)
    }
    const endings = [
      window.llm.onLlmToken((event) => { if (event.inferenceId === id.current) setText((before) => before + event.token) }),
      window.llm.onLlmDone((event) => { if (event.inferenceId === id.current) over() }),
      window.llm.onLlmError((event) => {
        if (event.inferenceId !== id.current) return
        setProblem(event.error)
        onError?.(event)
        over()
      })
    ]
    return () => endings.forEach((end) => end())
  }, [onError])

  const run = async (messages: Turn[]): Promise<void> => {
    const { onError: _onError, ...request } = options
    setRunning(true)
    try {
      id.current = await window.llm.llmInference({ ...request, messages, stream: true })
    } catch (thrown) {
      setProblem(thrown instanceof Error ? thrown.message : String(thrown))
      setRunning(false)
    }
  }
  const cancel = async (): Promise<void> => {
    if (id.current !== null) await window.llm.llmCancel(id.current)
  }
  return { text, running, problem, run, cancel }
}

export function Chat() {
  const [draft, setDraft] = useState('')
  const [turns, setTurns] = useState<Turn[]>([])
  const { response, isLoading, error, runInference, cancel } = useLlmInference({
    providerId: 'openai',
    modelId: 'gpt-4o-mini',
    temperature: 0.7,
    systemPrompt: 'Be brief.',
    onError: (failure) => console.warn(failure.code, failure.retryable)
  })

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const next: Turn[] = [...turns, { role: 'user', content: draft }]
    setTurns(next)
    await runInference(next)
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      {turns.map((turn, index) => <p key={index}>{turn.role}: {turn.content}</p>)}
      <p>{error ?? response}</p>
      <input value={draft} onChange={(event) => setDraft(event.target.value)} disabled={isLoading} />
      {isLoading && <button type="button" onClick={() => void cancel()}>Stop</button>}
    </form>
  )
}

export function Session() {
  const [sessionId, setSessionId] = useState<string | null>(null)
  useEffect(() => {
    const made = window.llm.llmCreateSession({ sessionId: `session-${Date.now()}`, providerId: 'openai', systemPrompt: 'Be brief.', metadata: { title: 'x' } })
    void made.then((session) => setSessionId(session.sessionId))
    return () => void made.then((session) => window.llm.llmDestroySession(session.sessionId))
  }, [])
  const say = async (content: string): Promise<string | null> =>
    sessionId === null ? null : window.llm.llmRunSession({ sessionId, messages: [{ role: 'user', content }], stream: true })
  return <button type="button" disabled={sessionId === null} onClick={() => void say('Hello')}>Say hello</button>
}
