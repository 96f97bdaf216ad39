/** Short things worth saying: to everybody (a line at the bottom) or to a screen reader alone. Law: politely, one at a time. */
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react'

interface Notices {
  /** Seen and heard. */
  say(text: string): void
  /** Heard. */
  announce(text: string): void
}

const NoticesContext = createContext<Notices>({ say: () => undefined, announce: () => undefined })
const SHOWN_MS = 4_000

export const useNotices = (): Notices => useContext(NoticesContext)

export function NoticesProvider({ children }: { children: ReactNode }) {
  const [heard, setHeard] = useState('')
  const [seen, setSeen] = useState<string | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const announce = useCallback((text: string) => setHeard(text), [])
  const say = useCallback((text: string) => {
    setHeard(text)
    setSeen(text)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => setSeen(null), SHOWN_MS)
  }, [])
  const notices = useMemo(() => ({ say, announce }), [say, announce])
  return (
    <NoticesContext value={notices}>
      {children}
      <div className="heard" role="status" aria-live="polite">{heard}</div>
      {seen !== null && <div className="toast" aria-hidden="true">{seen}</div>}
    </NoticesContext>
  )
}
