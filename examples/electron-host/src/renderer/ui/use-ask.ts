/** What a page asks for when it is shown. Law: the answer to the last question counts; a late one is dropped. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'

export interface Asked<T> {
  data: T | null
  problem: IpcError | null
  loading: boolean
  /** Ask once more; the old answer stays until the new one is there. */
  again(): Promise<void>
}

/** `question` must keep its identity as long as it is the same question. */
export function useAsk<T>(question: () => Promise<T>): Asked<T> {
  const [state, setState] = useState<{ data: T | null; problem: IpcError | null; loading: boolean }>({
    data: null,
    problem: null,
    loading: true
  })
  const last = useRef(0)
  const again = useCallback(async (): Promise<void> => {
    const mine = ++last.current
    setState((before) => ({ ...before, loading: true }))
    try {
      const data = await question()
      if (mine === last.current) setState({ data, problem: null, loading: false })
    } catch (thrown) {
      if (mine === last.current) setState((before) => ({ ...before, problem: llmErrorOf(thrown), loading: false }))
    }
  }, [question])
  useEffect(() => {
    void again()
    return () => void (last.current += 1)
  }, [again])
  return { ...state, again }
}
