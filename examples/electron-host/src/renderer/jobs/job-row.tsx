/** One job: what it is, how far it has come, what came of it. */
import { memo, useState } from 'react'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { JobInfo, JobProgress, JobResult } from '../../shared/protocol'
import { parseMarkdown } from '../markdown/markdown-stream'
import { MarkdownView } from '../markdown/markdown-view'
import { count, duration, when } from '../ui/figures'
import { Problem, Progress } from '../ui/parts'

const STATES: Record<JobInfo['state'], string> = {
  queued: 'waiting', running: 'running', done: 'done', failed: 'failed', cancelled: 'cancelled', interrupted: 'interrupted'
}

const KINDS: Record<JobInfo['kind'], string> = {
  inference: 'Answer', 'generate-text': 'Text', 'chat:completions': 'Chat completion', batch: 'Batch'
}

interface JobRowProps {
  job: JobInfo
  progress: JobProgress | undefined
  onCancel: (jobId: string) => void
}

export const JobRow = memo(function JobRow({ job, progress, onCancel }: JobRowProps) {
  const [result, setResult] = useState<JobResult | null>(null)
  const [problem, setProblem] = useState<IpcError | null>(null)
  const given = job.metadata?.['title']
  const title = typeof given === 'string' && given !== '' ? given : `${KINDS[job.kind]} ${job.jobId.slice(-6)}`
  const going = job.state === 'queued' || job.state === 'running'

  const read = async (cursor?: string): Promise<void> => {
    try {
      const page = await window.llm.llmGetJobResult({ jobId: job.jobId, limit: 50, ...(cursor === undefined ? {} : { cursor }) })
      setResult((before) => (cursor === undefined ? page : { ...page, items: [...(before?.items ?? []), ...(page.items ?? [])] }))
    } catch (thrown) {
      setProblem(llmErrorOf(thrown))
    }
  }

  return (
    <li className="card job" aria-label={title}>
      <div className="card-head">
        <div>
          <h2 className="job-title">{title}</h2>
          <p className="muted">
            <span className={`tag state-${job.state}`}>{STATES[job.state]}</span>
            {[KINDS[job.kind], when(job.createdAt), job.startedAt !== null && job.endedAt !== null ? duration(job.endedAt - job.startedAt) : null]
              .filter((part) => part !== null)
              .join(' · ')}
          </p>
        </div>
        <div className="actions">
          {going && <button type="button" onClick={() => onCancel(job.jobId)}>Cancel</button>}
          {(job.state === 'done' || job.kind === 'batch') && (
            <button type="button" aria-expanded={result !== null} onClick={() => (result === null ? void read() : setResult(null))}>
              {result === null ? 'Show result' : 'Hide result'}
            </button>
          )}
        </div>
      </div>
      {job.state === 'running' && (
        <div className="job-progress">
          <Progress label={`Progress of ${title}`} current={progress?.current ?? 0} total={progress?.total} />
          <span className="muted">{progress === undefined ? 'At work' : `${count(progress.current)}${progress.total === undefined ? '' : ` of ${count(progress.total)}`} ${progress.message ?? ''}`}</span>
        </div>
      )}
      {job.error !== undefined && <p className="wrong">{job.error.message} <code className="code-tag">{job.error.code}</code></p>}
      {job.mayHaveBeenPaid === true && <p className="muted">It may have been paid for: it was sent, and nobody knows whether it was answered.</p>}
      {problem !== null && <Problem problem={problem} />}
      {result !== null && <Result result={result} onMore={(cursor) => void read(cursor)} />}
    </li>
  )
})

function Result({ result, onMore }: { result: JobResult; onMore: (cursor: string) => void }) {
  if (result.items === undefined) return <Answer result={result.result} />
  const next = result.nextCursor
  return (
    <ol className="batch">
      {result.items.map((item) => (
        <li key={item.customId}>
          <strong className="muted">{item.customId}</strong>
          {item.error === undefined ? <Answer result={item.result} /> : <p className="wrong">{item.error.message} <code className="code-tag">{item.error.code}</code></p>}
        </li>
      ))}
      {next != null && <li><button type="button" className="quiet" onClick={() => onMore(next)}>More</button></li>}
    </ol>
  )
}

/** A text where there is one, else what came as it came. */
function Answer({ result }: { result: Record<string, unknown> | undefined }) {
  const text = result?.['text']
  if (typeof text === 'string') return <div className="job-answer"><MarkdownView blocks={parseMarkdown(text)} /></div>
  return <pre className="job-answer" tabIndex={0}>{result === undefined ? 'Nothing came of it.' : JSON.stringify(result, null, 2)}</pre>
}
