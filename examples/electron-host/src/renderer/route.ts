/** Which page is shown: in the address's fragment, so that it is still shown after a reload. */
import { useCallback, useSyncExternalStore } from 'react'

export const PAGES = ['chat', 'profiles', 'models', 'jobs', 'usage'] as const
export type PageName = (typeof PAGES)[number]

export interface Route {
  page: PageName
  /** Of the chat: which session. */
  id: string | null
}

function parsed(hash: string): Route {
  const [, page, id] = /^#\/([a-z]+)(?:\/(.+))?$/.exec(hash) ?? []
  return { page: PAGES.find((each) => each === page) ?? 'chat', id: id === undefined ? null : decoded(id) }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

export const hashOf = (page: PageName, id: string | null = null): string =>
  `#/${page}${id === null ? '' : `/${encodeURIComponent(id)}`}`

const watch = (changed: () => void): (() => void) => {
  window.addEventListener('hashchange', changed)
  return () => window.removeEventListener('hashchange', changed)
}

export function useRoute(): [Route, (page: PageName, id?: string | null) => void] {
  const hash = useSyncExternalStore(watch, () => location.hash)
  const go = useCallback((page: PageName, id: string | null = null) => {
    if (location.hash !== hashOf(page, id)) location.hash = hashOf(page, id)
  }, [])
  return [parsed(hash), go]
}
