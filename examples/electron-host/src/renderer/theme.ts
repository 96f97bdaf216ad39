/** Light, dark, or as the system has it; remembered on this computer. */
import { useEffect, useState } from 'react'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const PLACE = 'theme'

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((each) => each === localStorage.getItem(PLACE)) ?? 'system')
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme
    localStorage.setItem(PLACE, theme)
  }, [theme])
  return [theme, setTheme]
}
