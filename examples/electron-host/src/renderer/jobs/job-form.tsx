/** A new job: one prompt, or one a line as a batch. */
import { useState } from 'react'
import type { LlmJobRequest } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { Choice } from '../llm/choice'
import { plural } from '../ui/figures'
import { Problem } from '../ui/parts'

export function JobForm({ choice, onSubmitted }: { choice: Choice; onSubmitted: () => void }) {
  const [text, setText] = useState('')
  const [batch, setBatch] = useState(false)
  const [problem, setProblem] = useState<IpcError | null>(null)
  const prompts = batch ? text.split('\n').filter((line) => line.trim() !== '') : [text]
  const ready = text.trim() !== ''

  const submit = async (): Promise<void> => {
    try {
      await window.llm.llmSubmitJob(batch ? batchOf(prompts, choice) : promptOf(text, choice))
      setText('')
      setProblem(null)
      onSubmitted()
    } catch (thrown) {
      setProblem(llmErrorOf(thrown))
    }
  }

  return (
    <form
      className="card form job-form"
      aria-label="New job"
      onSubmit={(event) => {
        event.preventDefault()
        if (ready) void submit()
      }}
    >
      <div className="field">
        <label htmlFor="job-prompt">{batch ? 'Prompts, one a line' : 'Prompt'}</label>
        <textarea id="job-prompt" rows={batch ? 4 : 2} value={text} onChange={(event) => setText(event.target.value)} placeholder={batch ? 'Summarise chapter 1\nSummarise chapter 2' : 'What is to be done in the background'} />
      </div>
      <div className="job-form-foot">
        <label className="check-field"><input type="checkbox" checked={batch} onChange={(event) => setBatch(event.target.checked)} /><span>Each line is a request of its own</span></label>
        <button type="submit" className="primary" disabled={!ready}>{batch && prompts.length > 1 ? `Submit ${plural(prompts.length, 'request')}` : 'Submit'}</button>
      </div>
      {problem !== null && <Problem problem={problem} />}
    </form>
  )
}

const asked = (text: string, choice: Choice) => ({ ...choice, messages: [{ role: 'user', content: text }] })

function promptOf(text: string, choice: Choice): LlmJobRequest {
  return { kind: 'inference', params: asked(text, choice), metadata: { title: text.slice(0, 80) } }
}

function batchOf(prompts: string[], choice: Choice): LlmJobRequest {
  const requests = prompts.map((text, index) => ({ customId: `${index + 1}`, params: asked(text, choice) }))
  return { kind: 'batch', params: { requests }, metadata: { title: `${prompts.length} requests: ${prompts[0]?.slice(0, 60)}` } }
}
