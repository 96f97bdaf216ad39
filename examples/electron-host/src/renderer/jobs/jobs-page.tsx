/** Jobs: work that the sidecar does in the background and keeps. Law: events move the bars; the list is the sidecar's. */
import { useCallback, useEffect, useState } from 'react'
import { llmErrorOf } from '../../shared/llm-error'
import type { JobInfo, JobProgress } from '../../shared/protocol'
import type { Choice } from '../llm/choice'
import { atNextFrame } from '../llm/frames'
import { JobIcon } from '../ui/icons'
import { useNotices } from '../ui/notices'
import { Empty, Page, Problem, Waiting } from '../ui/parts'
import { useAsk } from '../ui/use-ask'
import { JobForm } from './job-form'
import { JobRow } from './job-row'

const PAGE = 50
const asked = () => window.llm.llmListJobs({ limit: PAGE })

export function JobsPage({ choice }: { choice: Choice }) {
  const { data, problem, loading, again } = useAsk(asked)
  const [older, setOlder] = useState<{ jobs: JobInfo[]; nextCursor: string | null } | null>(null)
  const progress = useJobEvents(again)
  const { say } = useNotices()

  const more = async (cursor: string): Promise<void> => {
    try {
      const page = await window.llm.llmListJobs({ cursor, limit: PAGE })
      setOlder({ jobs: [...(older?.jobs ?? []), ...page.jobs], nextCursor: page.nextCursor })
    } catch (thrown) {
      say(llmErrorOf(thrown).message)
    }
  }
  const cancel = useCallback((jobId: string): void => {
    window.llm.llmCancelJob(jobId).then(() => again(), (thrown: unknown) => say(llmErrorOf(thrown).message))
  }, [again, say])

  const jobs = data === null ? [] : [...data.jobs, ...(older?.jobs ?? [])]
  const next = older === null ? (data?.nextCursor ?? null) : older.nextCursor
  return (
    <Page title="Jobs" hint="Work in the background: it goes on while you do something else, and is kept when the app ends.">
      <JobForm choice={choice} onSubmitted={() => { say('The job was submitted.'); void again() }} />
      {problem !== null && <Problem problem={problem} onRetry={() => void again()} />}
      {loading && data === null && <Waiting what="Reading the jobs" />}
      {data !== null && jobs.length === 0 && <Empty icon={<JobIcon />} title="No jobs yet"><p className="muted">Give one above; several prompts become one batch.</p></Empty>}
      <ul className="cards">
        {jobs.map((job) => <JobRow key={job.jobId} job={job} progress={progress.get(job.jobId) ?? job.progress} onCancel={cancel} />)}
      </ul>
      {next !== null && <button type="button" className="quiet wide" onClick={() => void more(next)}>Older jobs</button>}
    </Page>
  )
}

/** How far each job has come by its events; the list is read again when one ends. */
function useJobEvents(again: () => Promise<void>): ReadonlyMap<string, JobProgress> {
  const [progress, setProgress] = useState<ReadonlyMap<string, JobProgress>>(new Map())
  useEffect(() => {
    const latest = new Map<string, JobProgress>()
    const show = (): void => setProgress(new Map(latest))
    const reread = (): void => void again()
    const ended = ({ jobId }: { jobId: string }): void => {
      latest.delete(jobId)
      atNextFrame(show)
      atNextFrame(reread)
    }
    const endings = [
      window.llm.onLlmJobProgress(({ jobId, progress: now }) => {
        if (now === undefined || !latest.has(jobId)) atNextFrame(reread) // Its state may have changed.
        if (now !== undefined) latest.set(jobId, now)
        atNextFrame(show)
      }),
      window.llm.onLlmJobDone(ended),
      window.llm.onLlmJobError(ended)
    ]
    return () => endings.forEach((end) => end())
  }, [again])
  return progress
}
