/** New jobs: a prompt, one prompt a line, or a batch that the provider does within a day. */
import { useState } from 'react'
import type { LlmJobRequest } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { Choice } from '../llm/choice'
import { plural } from '../ui/figures'
import { Problem } from '../ui/parts'

type How = 'one' | 'lines' | 'batch'

const TITLE = 80

export function JobForm({ choice, onSubmitted }: { choice: Choice; onSubmitted: () => void }) {
  const [text, setText] = useState('')
  const [how, setHow] = useState<How>('one')
  const [problem, setProblem] = useState<IpcError | null>(null)
  const prompts = (how === 'one' ? [text] : text.split('\n')).filter((line) => line.trim() !== '')

  const submit = async (): Promise<void> => {
    try {
      for (const job of how === 'batch' ? [batchOf(prompts, choice)] : prompts.map((line) => jobOf(line, choice))) {
        await window.llm.llmSubmitJob(job)
      }
      setText('')
      setProblem(null)
    } catch (thrown) {
      setProblem(llmErrorOf(thrown))
    }
    onSubmitted()
  }

  return (
    <form
      className="card form job-form"
      aria-label="New job"
      onSubmit={(event) => {
        event.preventDefault()
        if (prompts.length > 0) void submit()
      }}
    >
      <div className="field">
        <label htmlFor="job-prompt">{how === 'one' ? 'Prompt' : 'Prompts, one a line'}</label>
        <textarea id="job-prompt" rows={how === 'one' ? 2 : 4} value={text} onChange={(event) => setText(event.target.value)} placeholder="What is to be done in the background" />
      </div>
      <div className="job-form-foot">
        <label className="field row">
          <span>As</span>
          <select value={how} onChange={(event) => setHow(event.target.value as How)}>
            <option value="one">one job</option>
            <option value="lines">one job a line</option>
            <option value="batch">a batch at the provider (half price, within a day)</option>
          </select>
        </label>
        <button type="submit" className="primary" disabled={prompts.length === 0}>{prompts.length > 1 ? `Submit ${plural(prompts.length, 'prompt')}` : 'Submit'}</button>
      </div>
      {problem !== null && <Problem problem={problem} />}
    </form>
  )
}

const messages = (text: string) => [{ role: 'user', content: text }]

function jobOf(text: string, choice: Choice): LlmJobRequest {
  return { kind: 'inference', params: { ...choice, messages: messages(text) }, metadata: { title: text.slice(0, TITLE) } }
}

function batchOf(prompts: string[], choice: Choice): LlmJobRequest {
  const requests = prompts.map((text, index) => ({ customId: `${index + 1}`, request: { messages: messages(text) } }))
  return { kind: 'batch', params: { ...choice, requests }, metadata: { title: `${plural(prompts.length, 'prompt')}: ${prompts[0]}`.slice(0, TITLE) } }
}
