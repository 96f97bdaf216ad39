/** Tools that a model calls; an app would run them, here the user answers for them. */
import { useState } from 'react'
import type { ToolCall } from '../../shared/protocol'
import { ToolIcon } from '../ui/icons'

interface ToolCallsProps {
  calls: readonly ToolCall[]
  /** By the id of the call. */
  onResults?: ((results: Map<string, string>) => void) | undefined
}

export function ToolCalls({ calls, onResults }: ToolCallsProps) {
  const [results, setResults] = useState<ReadonlyMap<string, string>>(new Map())
  return (
    <form
      className="tool-calls"
      aria-label="Tool calls"
      onSubmit={(event) => {
        event.preventDefault()
        onResults?.(new Map(calls.map((call) => [call.id, results.get(call.id) ?? ''])))
      }}
    >
      {calls.map((call, index) => (
        <div className="tool-call" key={call.id === '' ? index : call.id}>
          <div className="tool-name"><ToolIcon /><strong>{call.name === '' ? '…' : call.name}</strong></div>
          <pre tabIndex={0} aria-label={`Arguments of ${call.name}`}>{readable(call.arguments)}</pre>
          {onResults !== undefined && (
            <label className="field">
              <span>Result of {call.name}</span>
              <input
                value={results.get(call.id) ?? ''}
                onChange={(event) => setResults(new Map(results).set(call.id, event.target.value))}
                placeholder="What the tool answers"
              />
            </label>
          )}
        </div>
      ))}
      {onResults !== undefined && <button type="submit" className="primary">Send {calls.length === 1 ? 'the result' : 'the results'}</button>}
    </form>
  )
}

/** Models may write invalid JSON, and while it is streamed it is. */
function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
