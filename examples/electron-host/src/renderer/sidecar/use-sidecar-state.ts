/** How the sidecar is, as the main process says. Law: subscribed before it is asked, so that no change is missed. */
import { useEffect, useState } from 'react'
import type { SidecarState } from '../../shared/api'

export function useSidecarState(): SidecarState {
  const [state, setState] = useState<SidecarState>({ state: 'starting', slow: false })
  useEffect(() => {
    let told = false
    const end = window.llm.onSidecarState((next) => {
      told = true
      setState(next)
    })
    window.llm.llmGetSidecarState().then((now) => { if (!told) setState(now) }, () => undefined)
    return end
  }, [])
  return state
}
