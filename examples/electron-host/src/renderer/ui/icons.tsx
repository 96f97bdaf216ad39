/** The app's icons: 20 by 20, one stroke, the colour of the text beside them. They say nothing to a screen reader. */
import type { ReactNode } from 'react'

const icon = (drawing: ReactNode) =>
  function Icon() {
    return (
      <svg className="icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {drawing}
      </svg>
    )
  }

export const ChatIcon = icon(<path d="M3.5 5.5a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-3.5 3v-3a2 2 0 0 1-2-2z" />)
export const KeyIcon = icon(<><circle cx="7" cy="12.5" r="3.5" /><path d="m9.5 10 6.5-6.5M13.5 6l2.5 2.5" /></>)
export const ModelIcon = icon(<><path d="m10 2.5 6.5 3.75v7.5L10 17.5l-6.5-3.75v-7.5z" /><path d="m3.5 6.25 6.5 3.75 6.5-3.75M10 10v7.5" /></>)
export const JobIcon = icon(<><path d="M4 5.5h12M4 10h12M4 14.5h7" /><path d="m13.5 14.5 1.5 1.5 2.5-3" /></>)
export const UsageIcon = icon(<path d="M3.5 16.5h13M5.5 13.5v-3M9 13.5v-8M12.5 13.5v-5M16 13.5v-2" />)
export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />)
export const SendIcon = icon(<path d="M10 16V4.5M5 9.5l5-5 5 5" />)
export const StopIcon = icon(<rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" />)
export const TrashIcon = icon(<path d="M3.5 5.5h13M8 5.5V3.5h4v2M5 5.5l.75 11h8.5l.75-11M8.5 8.5v5M11.5 8.5v5" />)
export const ForkIcon = icon(<><circle cx="5.5" cy="4.5" r="1.75" /><circle cx="14.5" cy="4.5" r="1.75" /><circle cx="10" cy="15.5" r="1.75" /><path d="M5.5 6.25v1.25a2 2 0 0 0 2 2h5a2 2 0 0 0 2-2V6.25M10 9.5v4.25" /></>)
export const CopyIcon = icon(<><rect x="7" y="7" width="9.5" height="9.5" rx="1.5" /><path d="M13 7V5a1.5 1.5 0 0 0-1.5-1.5H5A1.5 1.5 0 0 0 3.5 5v6.5A1.5 1.5 0 0 0 5 13h2" /></>)
export const CheckIcon = icon(<path d="m4 10.5 4 4 8-9" />)
export const RetryIcon = icon(<path d="M16 10a6 6 0 1 1-1.75-4.25L16 7.5M16 3.5v4h-4" />)
export const ChevronIcon = icon(<path d="m6 8 4 4 4-4" />)
export const WarningIcon = icon(<path d="M10 3 2.5 16.5h15zM10 8v4M10 14.25v.01" />)
export const SearchIcon = icon(<><circle cx="9" cy="9" r="5" /><path d="m13 13 3.5 3.5" /></>)
export const ToolIcon = icon(<path d="M12.5 3.5a4 4 0 0 0-3.8 5.3L3.5 14v2.5H6l5.2-5.2a4 4 0 0 0 5-5l-2.4 2.4-2.2-.3-.3-2.2 2.4-2.4a4 4 0 0 0-1.2-.3z" />)
export const SunIcon = icon(<><circle cx="10" cy="10" r="3.25" /><path d="M10 2.5v1.75M10 15.75v1.75M2.5 10h1.75M15.75 10h1.75M4.7 4.7l1.25 1.25M14.05 14.05l1.25 1.25M4.7 15.3l1.25-1.25M14.05 5.95l1.25-1.25" /></>)
export const MoonIcon = icon(<path d="M16 12A6.75 6.75 0 0 1 8 4a6.5 6.5 0 1 0 8 8z" />)
export const SystemIcon = icon(<><rect x="3" y="4" width="14" height="9.5" rx="1.5" /><path d="M7.5 16.5h5M10 13.5v3" /></>)
export const LockIcon = icon(<><rect x="4.5" y="9" width="11" height="7.5" rx="1.5" /><path d="M7 9V6.5a3 3 0 0 1 6 0V9" /></>)
export const PlugIcon = icon(<path d="M7.5 3v4M12.5 3v4M5.5 7h9v2.5a4.5 4.5 0 0 1-9 0zM10 14v3.5" />)
