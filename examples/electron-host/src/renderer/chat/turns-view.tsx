/**
 * The turns of a conversation, with the newest in sight.
 *
 * Law: the browser keeps the end in sight (the box is laid out from its end), and what is out of sight is not laid out
 * (`content-visibility`); no script measures anything while tokens come.
 */
import { useRef, useState, type ReactNode } from 'react'
import { ChevronIcon } from '../ui/icons'

const FAR = 240

export function Turns({ children }: { children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null)
  const [far, setFar] = useState(false)
  return (
    <div className="turns-frame">
      <div
        ref={box}
        className="turns-box"
        role="log"
        aria-label="Conversation"
        aria-live="off"
        tabIndex={0}
        onScroll={(event) => setFar(event.currentTarget.scrollTop < -FAR)}
      >
        <div className="turns">{children}</div>
      </div>
      {far && (
        <button type="button" className="to-end" onClick={() => box.current?.scrollTo({ top: 0 })} aria-label="To the newest message">
          <ChevronIcon />
        </button>
      )}
    </div>
  )
}
