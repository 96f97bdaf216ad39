/** One profile: what it is, and what can be done with it. */
import { useState } from 'react'
import type { LLMProfile } from '../../shared/api'
import type { TestPromptResult } from '../../shared/protocol'
import { duration, when } from '../ui/figures'
import { CheckIcon, LockIcon, TrashIcon } from '../ui/icons'
import { useNotices } from '../ui/notices'
import { dataOf } from './profile-calls'

interface ProfileCardProps {
  profile: LLMProfile
  encrypted: boolean
  onActivate: () => void
  onEdit: () => void
  onDelete: () => void
}

export function ProfileCard({ profile, encrypted, onActivate, onEdit, onDelete }: ProfileCardProps) {
  const [result, setResult] = useState<TestPromptResult | null>(null)
  const [testing, setTesting] = useState(false)
  const { say, announce } = useNotices()

  const test = async (): Promise<void> => {
    setTesting(true)
    setResult(null)
    try {
      const came = await dataOf(window.llmAPI.testPrompt({ profileId: profile.id }))
      setResult(came)
      announce(came.success ? `${profile.name} answers.` : `${profile.name} does not answer: ${came.errorMessage ?? came.errorCode}`)
    } catch (thrown) {
      say(thrown instanceof Error ? thrown.message : String(thrown))
    }
    setTesting(false)
  }

  return (
    <li className={profile.isActive ? 'card active' : 'card'} aria-label={profile.name}>
      <div className="card-head">
        <div>
          <h2>{profile.name}{profile.isActive && <span className="tag good"><CheckIcon />active</span>}</h2>
          <p className="muted">{profile.providerType} · <span className="address">{profile.endpointUrl}</span></p>
        </div>
        <div className="actions">
          {!profile.isActive && <button type="button" onClick={onActivate}>Activate</button>}
          <button type="button" onClick={() => void test()} disabled={testing}>{testing ? 'Testing…' : 'Test'}</button>
          <button type="button" onClick={onEdit}>Edit</button>
          <button type="button" className="quiet icon-only" onClick={onDelete} aria-label={`Delete ${profile.name}`} title="Delete"><TrashIcon /></button>
        </div>
      </div>
      <dl className="facts">
        <div><dt>Model</dt><dd>{profile.modelId ?? 'the provider’s default'}</dd></div>
        <div>
          <dt>Key</dt>
          <dd>{profile.apiKey === null ? 'none' : <span className="with-icon"><LockIcon />{encrypted ? 'stored, encrypted' : 'stored, not encrypted'}</span>}</dd>
        </div>
        {profile.consentTimestamp !== null && <div><dt>Consent</dt><dd>{when(profile.consentTimestamp)}</dd></div>}
        {profile.allowInsecure && <div><dt>Transport</dt><dd className="wrong">http:// allowed</dd></div>}
      </dl>
      {result !== null && <TestResult result={result} />}
    </li>
  )
}

function TestResult({ result }: { result: TestPromptResult }) {
  return (
    <div className={result.success ? 'result good' : 'result bad'} role="status">
      <strong>{result.success ? 'It answers' : 'It does not answer'}</strong>
      <span className="muted">
        {[result.modelName, result.latencyMs === null ? null : `first word after ${duration(result.latencyMs)}`, `${duration(result.totalTimeMs)} in all`]
          .filter((part) => part !== null)
          .join(' · ')}
      </span>
      {result.success ? <blockquote>{result.responseText}</blockquote> : <p>{result.errorMessage} <code className="code-tag">{result.errorCode}</code></p>}
    </div>
  )
}
