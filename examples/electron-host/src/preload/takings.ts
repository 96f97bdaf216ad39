/**
 * Tells the main process that this page takes its events, so that it sends more (`main/window-outlet.ts`).
 *
 * Law: one message for many events; it says so when the page begins; what becomes of the message is nobody's trouble.
 */
import { EVENTS_TAKEN } from '../shared/channels'
import type { IpcRendererLike } from '../shared/transport'

/** Well below `OUTLET_RULES.maxUntaken`: a page that takes never waits. */
const AT_ONCE = 64

/** Returns what to call for each event. */
export function takings(ipc: Pick<IpcRendererLike, 'invoke'>): () => void {
  let untold = 0
  const tell = (count: number): void => void ipc.invoke(EVENTS_TAKEN, count).catch(() => undefined)
  tell(0)
  return () => {
    untold += 1
    if (untold < AT_ONCE) return
    tell(untold)
    untold = 0
  }
}
