/** Budgets: how much a day or a month may cost, and how much of it is spent. */
import { useState } from 'react'
import { llmErrorOf } from '../../shared/llm-error'
import type { Budget, SetBudgetParams } from '../../shared/protocol'
import { fully, money } from '../ui/figures'
import { useNotices } from '../ui/notices'
import { Problem, Progress } from '../ui/parts'
import { useAsk } from '../ui/use-ask'

const asked = () => window.llm.llmGetBudgets()

export function Budgets() {
  const { data, problem, again } = useAsk(asked)
  const [period, setPeriod] = useState<Budget['period']>('month')
  const [limit, setLimit] = useState('')
  const { say } = useNotices()
  const dollars = Number(limit)
  const valid = limit.trim() !== '' && Number.isFinite(dollars) && dollars >= 0

  const set = (budget: Pick<SetBudgetParams, 'period' | 'limit'> & { profileId?: string | null }): void => {
    const { profileId, ...rest } = budget
    const params: SetBudgetParams = { ...rest, utcOffsetMinutes: -new Date().getTimezoneOffset() }
    if (profileId != null) params.profileId = profileId
    window.llm.llmSetBudget(params).then(() => {
      setLimit('')
      say(budget.limit === null ? 'The budget was removed.' : 'The budget was set.')
      return again()
    }, (thrown: unknown) => say(llmErrorOf(thrown).message))
  }

  return (
    <section className="card" aria-label="Budgets">
      <h2>Budgets</h2>
      <p className="muted">A used-up budget refuses further paid answers until it begins anew. Local models go on.</p>
      {problem !== null && <Problem problem={problem} onRetry={() => void again()} />}
      <ul className="plain">
        {data?.budgets.map((budget) => (
          <li key={`${budget.period} ${budget.profileId}`} className="budget">
            <div className="bar-head">
              <span>Each {budget.period}{budget.profileId === null ? '' : ` for profile ${budget.profileId}`}</span>
              <strong>{money(budget.spent)} of {money(budget.limit)}</strong>
            </div>
            <Progress label={`Spent this ${budget.period}`} current={Math.min(budget.spent, budget.limit)} total={Math.max(budget.limit, 0.000_001)} />
            <div className="bar-head">
              <span className="muted">Begins anew {fully(budget.resetsAt)}</span>
              <button type="button" className="quiet small" onClick={() => set({ period: budget.period, limit: null, profileId: budget.profileId })}>Remove</button>
            </div>
          </li>
        ))}
      </ul>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          if (valid) set({ period, limit: dollars })
        }}
      >
        <label className="field"><span>Period</span><select value={period} onChange={(event) => setPeriod(event.target.value as Budget['period'])}><option value="day">Each day</option><option value="month">Each month</option></select></label>
        <label className="field"><span>US dollars</span><input inputMode="decimal" value={limit} onChange={(event) => setLimit(event.target.value)} placeholder="10" /></label>
        <button type="submit" disabled={!valid}>Set budget</button>
      </form>
    </section>
  )
}
