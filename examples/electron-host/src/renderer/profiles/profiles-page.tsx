/** Profiles: who can be asked, with which key; the active one answers where nothing else is chosen. */
import { useCallback, useState } from 'react'
import type { LLMProfile, SidecarState } from '../../shared/api'
import { llmErrorOf } from '../../shared/llm-error'
import type { Discovery } from '../../shared/protocol'
import { KeyIcon, PlusIcon, SearchIcon } from '../ui/icons'
import { useNotices } from '../ui/notices'
import { Empty, Page, Problem, Waiting, Warning } from '../ui/parts'
import { useAsk } from '../ui/use-ask'
import { DeleteProfile } from './delete-profile'
import { DiscoveryResult } from './discovery'
import { dataOf } from './profile-calls'
import { ProfileCard } from './profile-card'
import { ProfileForm } from './profile-form'

const asked = async () => {
  const [list, { providers }] = await Promise.all([dataOf(window.llmAPI.listProfiles()), window.llm.llmListProviders()])
  return { ...list, providers }
}

export function ProfilesPage({ sidecar }: { sidecar: SidecarState }) {
  const { data, problem, loading, again } = useAsk(asked)
  const [editing, setEditing] = useState<LLMProfile | 'new' | null>(null)
  const [deleting, setDeleting] = useState<LLMProfile | null>(null)
  const [found, setFound] = useState<Discovery | null>(null)
  const [looking, setLooking] = useState(false)
  const { say } = useNotices()
  const failed = useCallback((thrown: unknown) => say(llmErrorOf(thrown).message), [say])

  const discover = async (): Promise<void> => {
    setLooking(true)
    try {
      const came = await dataOf(window.llmAPI.discoverProfiles({ force: true }))
      setFound(came)
      say(came.discovered ? 'A server was found.' : 'No server was found.')
      await again()
    } catch (thrown) {
      failed(thrown)
    }
    setLooking(false)
  }
  const activate = (profile: LLMProfile): void =>
    void dataOf(window.llmAPI.activateProfile({ id: profile.id })).then(() => { say(`${profile.name} is active.`); return again() }, failed)
  const remove = (profile: LLMProfile, alternateId: string | null): void => {
    setDeleting(null)
    const payload = { id: profile.id, ...(alternateId === null ? {} : { activateAlternateId: alternateId }) }
    void dataOf(window.llmAPI.deleteProfile(payload)).then(({ requiresUserSelection }) => {
      say(requiresUserSelection ? 'Deleted. No profile is active now: activate one.' : `${profile.name} was deleted.`)
      return again()
    }, failed)
  }

  const profiles = data?.profiles ?? []
  return (
    <Page
      title="Profiles"
      hint="Who can be asked: a provider, an address, a key and a model."
      actions={
        <>
          <button type="button" onClick={() => void discover()} disabled={looking}><SearchIcon />{looking ? 'Looking…' : 'Find local servers'}</button>
          <button type="button" className="primary" onClick={() => setEditing('new')} disabled={data === null}><PlusIcon />New profile</button>
        </>
      }
    >
      {data !== null && !data.encryptionAvailable && (
        <Warning><strong>Keys are not encrypted.</strong> {(sidecar.state === 'ready' ? sidecar.keyWarning : null) ?? data.warning}</Warning>
      )}
      {problem !== null && <Problem problem={problem} onRetry={() => void again()} />}
      {loading && data === null && <Waiting what="Reading the profiles" />}
      {found !== null && <DiscoveryResult found={found} />}
      {data !== null && profiles.length === 0 && (
        <Empty icon={<KeyIcon />} title="No profiles yet">
          <p className="muted">A profile keeps an API key{data.encryptionAvailable ? ' encrypted,' : ''} and never shows it again.</p>
          <button type="button" className="primary" onClick={() => setEditing('new')}>Create the first one</button>
        </Empty>
      )}
      <ul className="cards">
        {profiles.map((profile) => (
          <ProfileCard
            key={profile.id}
            profile={profile}
            encrypted={data?.encryptionAvailable === true}
            onActivate={() => activate(profile)}
            onEdit={() => setEditing(profile)}
            onDelete={() => setDeleting(profile)}
          />
        ))}
      </ul>
      {editing !== null && data !== null && (
        <ProfileForm
          profile={editing === 'new' ? null : editing}
          encrypted={data.encryptionAvailable}
          providers={data.providers}
          onClose={() => setEditing(null)}
          onSaved={({ profile, warning }) => {
            setEditing(null)
            say(warning ?? `${profile.name} was saved.`)
            void again()
          }}
        />
      )}
      {deleting !== null && (
        <DeleteProfile
          profile={deleting}
          others={profiles.filter((each) => each.id !== deleting.id)}
          onDelete={(alternateId) => remove(deleting, alternateId)}
          onClose={() => setDeleting(null)}
        />
      )}
    </Page>
  )
}
