/** Deleting a profile; where it is the active one, another can take its place. */
import { useState } from 'react'
import type { LLMProfile } from '../../shared/api'
import { Dialog } from '../ui/dialog'

interface DeleteProfileProps {
  profile: LLMProfile
  others: LLMProfile[]
  onDelete: (alternateId: string | null) => void
  onClose: () => void
}

export function DeleteProfile({ profile, others, onDelete, onClose }: DeleteProfileProps) {
  const [alternate, setAlternate] = useState(others[0]?.id ?? '')
  const asks = profile.isActive && others.length > 0
  return (
    <Dialog title={`Delete “${profile.name}”?`} onClose={onClose}>
      <p>Its address and its key are deleted. Conversations stay.</p>
      {asks && (
        <label className="field">
          <span>It is the active profile. Activate instead:</span>
          <select value={alternate} onChange={(event) => setAlternate(event.target.value)}>
            {others.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            <option value="">none</option>
          </select>
        </label>
      )}
      <div className="buttons">
        <button type="button" autoFocus onClick={onClose}>Keep</button>
        <button type="button" className="danger" onClick={() => onDelete(asks && alternate !== '' ? alternate : null)}>Delete</button>
      </div>
    </Dialog>
  )
}
