/** The window: pages at the side, the one that is shown, and the state of the sidecar around it all. */
import { useEffect, useState, type ReactNode } from 'react'
import type { SidecarState } from '../shared/api'
import { ChatPage } from './chat/chat-page'
import { Conversations } from './chat/conversations'
import { JobsPage } from './jobs/jobs-page'
import { DEMO, rememberChoice, rememberedChoice, type Choice } from './llm/choice'
import { InferencesContext } from './llm/context'
import { Inferences } from './llm/inferences'
import { ModelsPage } from './models/models-page'
import { ProfilesPage } from './profiles/profiles-page'
import { hashOf, PAGES, useRoute, type PageName } from './route'
import { Countdown, StatePage } from './sidecar/state-page'
import { useSidecarState } from './sidecar/use-sidecar-state'
import { THEMES, useTheme, type Theme } from './theme'
import { ChatIcon, JobIcon, KeyIcon, ModelIcon, MoonIcon, SunIcon, SystemIcon, UsageIcon, WarningIcon } from './ui/icons'
import { NoticesProvider } from './ui/notices'
import { UsagePage } from './usage/usage-page'

/** What lives as long as the page. */
export interface Services {
  inferences: Inferences
  conversations: Conversations
}

const NAMES: Record<PageName, [string, ReactNode]> = {
  chat: ['Chat', <ChatIcon key="chat" />],
  profiles: ['Profiles', <KeyIcon key="profiles" />],
  models: ['Models', <ModelIcon key="models" />],
  jobs: ['Jobs', <JobIcon key="jobs" />],
  usage: ['Usage', <UsageIcon key="usage" />]
}

export function App({ inferences, conversations }: Services) {
  const sidecar = useSidecarState()
  const seen = useSeenReady(sidecar)
  return (
    <InferencesContext value={inferences}>
      <NoticesProvider>
        {seen && sidecar.state !== 'failed' ? <Ready sidecar={sidecar} conversations={conversations} /> : <Frame><StatePage state={sidecar} /></Frame>}
      </NoticesProvider>
    </InferencesContext>
  )
}

/** A restart in between does not take the page away: what is on it stays, and requests wait. */
function useSeenReady({ state }: SidecarState): boolean {
  const [seen, setSeen] = useState(state === 'ready')
  useEffect(() => {
    if (state === 'ready') setSeen(true)
  }, [state])
  return seen || state === 'ready'
}

function Ready({ sidecar, conversations }: { sidecar: SidecarState; conversations: Conversations }) {
  const [route, go] = useRoute()
  const [choice, setChoice] = useChoice()
  useConversationRoute(conversations, route.page === 'chat', route.id, (id) => go('chat', id))
  useNewChatKey(() => {
    conversations.startNew()
    go('chat')
    requestAnimationFrame(() => document.getElementById('message')?.focus())
  })
  return (
    <Frame page={route.page} sidecar={sidecar}>
      <RestartNote sidecar={sidecar} />
      {route.page === 'chat' && <ChatPage conversations={conversations} choice={choice} onChoose={setChoice} />}
      {route.page === 'profiles' && <ProfilesPage sidecar={sidecar} />}
      {route.page === 'models' && <ModelsPage onChat={(chosen) => { setChoice(chosen); conversations.startNew(); go('chat') }} />}
      {route.page === 'jobs' && <JobsPage choice={choice} />}
      {route.page === 'usage' && <UsagePage />}
    </Frame>
  )
}

function Frame({ page, sidecar, children }: { page?: PageName; sidecar?: SidecarState; children: ReactNode }) {
  const [theme, setTheme] = useTheme()
  return (
    <div className="app">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus() }}>To the content</a>
      <nav className="rail" aria-label="Pages">
        {page !== undefined && PAGES.map((each) => (
          <a key={each} href={hashOf(each)} className="rail-item" aria-current={each === page ? 'page' : undefined}>{NAMES[each][1]}<span>{NAMES[each][0]}</span></a>
        ))}
        <div className="rail-end">
          {sidecar !== undefined && <SidecarLight sidecar={sidecar} />}
          <ThemeSwitch theme={theme} onChange={setTheme} />
        </div>
      </nav>
      {children}
    </div>
  )
}

const THEME_ICONS: Record<Theme, ReactNode> = { system: <SystemIcon />, light: <SunIcon />, dark: <MoonIcon /> }

function ThemeSwitch({ theme, onChange }: { theme: Theme; onChange: (theme: Theme) => void }) {
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
  return (
    <button type="button" className="quiet icon-only" onClick={() => onChange(next)} aria-label={`Theme: ${theme}. Change to ${next}`} title={`Theme: ${theme}`}>
      {THEME_ICONS[theme]}
    </button>
  )
}

/** What is on the page stays, and requests wait: so it is only said. */
function RestartNote({ sidecar }: { sidecar: SidecarState }) {
  if (sidecar.state === 'ready' || sidecar.state === 'stopped') return null
  return (
    <div className="restart-note" role="status">
      <WarningIcon />
      {sidecar.state === 'restarting' ? (
        <span>{sidecar.failure.message} It is started again <Countdown key={sidecar.attempt} ms={sidecar.retryInMs} />.</span>
      ) : (
        <span>The sidecar is starting; what you ask waits for it.</span>
      )}
    </div>
  )
}

function SidecarLight({ sidecar }: { sidecar: SidecarState }) {
  const ready = sidecar.state === 'ready'
  const text = ready ? `Sidecar ${sidecar.version} is ready` : sidecar.state === 'restarting' ? 'The sidecar is being started again' : 'The sidecar is starting'
  return <span className={ready ? 'light on' : 'light'} role="img" aria-label={text} title={text} />
}

/** The last choice on this computer, else the active profile, else the demo. */
function useChoice(): [Choice, (choice: Choice) => void] {
  const [choice, setChoice] = useState<Choice>(() => rememberedChoice() ?? DEMO)
  useEffect(() => {
    void window.llmAPI.listProfiles().then((answer) => {
      if (!answer.success) return
      const { profiles, activeProfileId } = answer.data
      setChoice((now) => {
        const gone = now.profileId !== undefined && !profiles.some(({ id }) => id === now.profileId)
        if (!gone && rememberedChoice() !== null) return now
        return activeProfileId === null ? DEMO : { profileId: activeProfileId }
      })
    })
  }, [])
  return [choice, (chosen) => { rememberChoice(chosen); setChoice(chosen) }]
}

/** The address names the conversation that is shown, and the other way round. */
function useConversationRoute(conversations: Conversations, onChat: boolean, id: string | null, go: (id: string | null) => void): void {
  useEffect(() => void conversations.refresh(), [conversations])
  useEffect(() => {
    if (onChat && id !== null && conversations.snapshot().current.snapshot().sessionId !== id) conversations.show(id)
  }, [conversations, onChat, id])
  useEffect(() => {
    if (!onChat) return
    const follow = (): void => {
      const { current } = conversations.snapshot()
      if (current.snapshot().sessionId !== id) go(current.snapshot().sessionId)
    }
    return conversations.subscribe(follow)
  }, [conversations, onChat, id, go])
}

function useNewChatKey(act: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
      event.preventDefault()
      act()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  })
}
