/** The page's one `Inferences`, for whichever component asks. */
import { createContext, useContext } from 'react'
import type { Inferences } from './inferences'

export const InferencesContext = createContext<Inferences | null>(null)

export function useInferences(): Inferences {
  const inferences = useContext(InferencesContext)
  if (inferences === null) throw new Error('There is no InferencesContext above this component.')
  return inferences
}
