/**
 * A profile to be made or changed.
 *
 * Law: the key's field begins empty, whatever is stored, and its value goes nowhere but into the request. Only what was
 * changed is sent.
 */
import { useId, useState, type ReactNode } from 'react'
import type { CreateProfilePayload, LLMProfile, UpdateProfilePayload } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import type { ProviderInfo, StoredProfile } from '../../shared/protocol'
import { Dialog } from '../ui/dialog'
import { Problem } from '../ui/parts'
import { isInsecure, isOtherOrigin } from './endpoint'
import { errorOf, fieldProblem } from './profile-calls'

type ProviderType = LLMProfile['providerType']

interface ProfileFormProps {
  /** Whether a key that is stored now is encrypted. */
  encrypted: boolean
  /** Null: a new one. */
  profile: LLMProfile | null
  providers: ProviderInfo[]
  onSaved: (stored: StoredProfile) => void
  onClose: () => void
}

export function ProfileForm({ encrypted, profile, providers, onSaved, onClose }: ProfileFormProps) {
  const [name, setName] = useState(profile?.name ?? '')
  const [providerType, setProviderType] = useState<ProviderType>(profile?.providerType ?? 'openai')
  const [endpointUrl, setEndpointUrl] = useState(profile?.endpointUrl ?? '')
  const [apiKey, setApiKey] = useState('')
  const [dropKey, setDropKey] = useState(false)
  const [modelId, setModelId] = useState(profile?.modelId ?? '')
  const [consentTimestamp, setConsent] = useState(profile?.consentTimestamp ?? null)
  const [allowInsecure, setAllowInsecure] = useState(profile?.allowInsecure ?? false)
  const [problem, setProblem] = useState<IpcError | null>(null)
  const [saving, setSaving] = useState(false)

  const provider = providers.find((each) => each.id === providerType)
  const stored = profile?.apiKey != null
  const keyDropped = profile !== null && stored && isOtherOrigin(endpointUrl, profile.endpointUrl)

  const create = (): CreateProfilePayload => ({
    name: name.trim(),
    providerType,
    ...(endpointUrl.trim() === '' ? {} : { endpointUrl: endpointUrl.trim() }),
    ...(apiKey === '' ? {} : { apiKey }),
    ...(modelId.trim() === '' ? {} : { modelId: modelId.trim() }),
    ...(consentTimestamp === null ? {} : { consentTimestamp }),
    ...(allowInsecure ? { allowInsecure } : {})
  })

  const update = (old: LLMProfile): UpdateProfilePayload => {
    const change: UpdateProfilePayload = { id: old.id }
    if (name.trim() !== old.name) change.name = name.trim()
    if (providerType !== old.providerType) change.providerType = providerType
    if (endpointUrl.trim() !== old.endpointUrl) change.endpointUrl = endpointUrl.trim() === '' ? null : endpointUrl.trim()
    if (apiKey !== '') change.apiKey = apiKey
    else if (dropKey) change.apiKey = null
    if (modelId.trim() !== (old.modelId ?? '')) change.modelId = modelId.trim() === '' ? null : modelId.trim()
    if (consentTimestamp !== old.consentTimestamp) change.consentTimestamp = consentTimestamp
    if (allowInsecure !== old.allowInsecure) change.allowInsecure = allowInsecure
    return change
  }

  const save = async (): Promise<void> => {
    setSaving(true)
    const answer = await (profile === null ? window.llmAPI.createProfile(create()) : window.llmAPI.updateProfile(update(profile)))
    setSaving(false)
    if (answer.success) onSaved(answer.data)
    else setProblem(errorOf(answer))
  }

  return (
    <Dialog title={profile === null ? 'New profile' : `Edit “${profile.name}”`} onClose={onClose}>
      <form
        className="form"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <Field label="Name" problem={fieldProblem(problem, 'name')}>
          {(props) => <input {...props} required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} autoFocus />}
        </Field>
        <Field label="Provider" problem={fieldProblem(problem, 'providerType')}>
          {(props) => (
            <select {...props} value={providerType} onChange={(event) => setProviderType(event.target.value as ProviderType)}>
              {providers.filter((each) => each.id !== 'demo').map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            </select>
          )}
        </Field>
        <Field label="Address" hint={provider?.baseUrl == null ? 'For example https://host.example/v1' : 'Left empty, it is the provider’s own.'} problem={fieldProblem(problem, 'endpointUrl')}>
          {(props) => <input {...props} type="text" inputMode="url" spellCheck={false} value={endpointUrl} placeholder={provider?.baseUrl ?? 'https://'} onChange={(event) => setEndpointUrl(event.target.value)} />}
        </Field>
        {isInsecure(endpointUrl.trim()) && (
          <Check checked={allowInsecure} onChange={setAllowInsecure}>
            Allow <code>http://</code> to another machine: the key and all that is said can be read on the way.
          </Check>
        )}
        <Field
          label="API key"
          hint={stored ? (keyDropped ? 'The stored key is for the old address and will be dropped.' : 'A key is stored. Leave this empty to keep it.') : `${provider?.needsKey === false ? 'Only if your server wants one. ' : ''}${encrypted ? 'Stored encrypted' : 'Stored without encryption'}; never shown again.`}
          problem={fieldProblem(problem, 'apiKey')}
        >
          {(props) => <input {...props} type="password" autoComplete="new-password" spellCheck={false} maxLength={500} value={apiKey} placeholder={stored && !keyDropped ? '••••••••' : ''} onChange={(event) => setApiKey(event.target.value)} />}
        </Field>
        {stored && !keyDropped && apiKey === '' && <Check checked={dropKey} onChange={setDropKey}>Remove the stored key</Check>}
        <Field label="Model" hint={provider?.defaultModel == null ? 'Left empty, it is the first that is offered.' : `Left empty, it is ${provider.defaultModel}.`} problem={fieldProblem(problem, 'modelId')}>
          {(props) => <input {...props} spellCheck={false} maxLength={300} value={modelId} onChange={(event) => setModelId(event.target.value)} />}
        </Field>
        {provider?.needsConsent === true && (
          <Check checked={consentTimestamp !== null} onChange={(agreed) => setConsent(agreed ? Date.now() : null)} problem={fieldProblem(problem, 'consentTimestamp')}>
            I agree that what I type is sent to this address, which is not the provider’s own.
          </Check>
        )}
        {problem !== null && <Problem problem={problem} />}
        <div className="buttons">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="primary" disabled={saving}>{profile === null ? 'Create profile' : 'Save changes'}</button>
        </div>
      </form>
    </Dialog>
  )
}

interface FieldProps {
  label: string
  hint?: string
  problem: string | null
  children: (props: { id: string; 'aria-describedby': string; 'aria-invalid': boolean }) => ReactNode
}

function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-hint`, 'aria-invalid': problem !== null })}
      <p id={`${id}-hint`} className={problem === null ? 'hint' : 'hint wrong'}>{problem ?? hint}</p>
    </div>
  )
}

interface CheckProps {
  checked: boolean
  onChange: (checked: boolean) => void
  problem?: string | null
  children: ReactNode
}

function Check({ checked, onChange, problem = null, children }: CheckProps) {
  return (
    <label className="check-field">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} aria-invalid={problem !== null} />
      <span>{children}{problem !== null && <span className="hint wrong"> {problem}</span>}</span>
    </label>
  )
}
