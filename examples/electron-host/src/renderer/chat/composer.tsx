/** Where a message is written. Law: Enter sends, Shift+Enter breaks the line, Escape stops the answer; a draft is not lost. */
import { useState, type KeyboardEvent, type RefObject } from 'react'
import { SendIcon, StopIcon } from '../ui/icons'

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>
  busy: boolean
  onSend: (text: string) => void
  onStop: () => void
}

const LONGEST = 100_000

export function Composer({ field, busy, onSend, onStop }: ComposerProps) {
  const [draft, setDraft] = useState('')
  const ready = draft.trim() !== '' && !busy

  const send = (): void => {
    if (!ready) return
    onSend(draft)
    setDraft('')
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <label className="heard" htmlFor="message">Message</label>
      <textarea
        id="message"
        ref={field}
        rows={1}
        maxLength={LONGEST}
        placeholder="Write a message"
        aria-describedby="composer-keys"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        autoFocus
      />
      {busy ? (
        <button type="button" className="round stop" onClick={onStop} aria-label="Stop the answer" title="Stop (Esc)"><StopIcon /></button>
      ) : (
        <button type="submit" className="round primary" disabled={!ready} aria-label="Send" title="Send (Enter)"><SendIcon /></button>
      )}
      <p className="hint" id="composer-keys">
        {busy ? <><kbd>Esc</kbd> stops the answer</> : <><kbd>Enter</kbd> sends, <kbd>Shift Enter</kbd> begins a new line</>}
      </p>
    </form>
  )
}
