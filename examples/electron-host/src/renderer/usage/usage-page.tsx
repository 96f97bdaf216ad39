/** Usage: what was asked, what it cost, and what it may cost. Law: what has no known price is counted apart, never as zero. */
import { useCallback, useState } from 'react'
import type { UsageSummary, UsageSummaryRow } from '../../shared/protocol'
import { compact, count, duration, money, plural } from '../ui/figures'
import { RetryIcon, UsageIcon } from '../ui/icons'
import { Empty, Page, Problem, Waiting } from '../ui/parts'
import { useAsk } from '../ui/use-ask'
import { BarChart } from './bar-chart'
import { Budgets } from './budgets'
import { DayChart } from './day-chart'

const RANGES = [7, 30, 90] as const
const MEASURES = ['tokens', 'cost', 'requests'] as const
export type Measure = (typeof MEASURES)[number]

export const valueOf = (row: UsageSummaryRow, measure: Measure): number =>
  measure === 'tokens' ? row.totalTokens : measure === 'cost' ? row.cost : row.requests
export const shown = (value: number, measure: Measure): string => (measure === 'cost' ? money(value) : compact(value))

const DAY = 86_400_000
/** Minutes east of Greenwich. */
const offset = (): number => -new Date().getTimezoneOffset()

interface Figures {
  days: UsageSummary
  models: UsageSummary
  providers: UsageSummary
  from: number
  range: number
}

export function UsagePage() {
  const [range, setRange] = useState<number>(30)
  const [measure, setMeasure] = useState<Measure>('tokens')
  const ask = useCallback(async (): Promise<Figures> => {
    const today = new Date().setHours(0, 0, 0, 0)
    const from = today - (range - 1) * DAY
    const by = (groupBy: 'day' | 'model' | 'provider') => window.llm.llmGetUsageSummary({ from, groupBy, utcOffsetMinutes: offset() })
    const [days, models, providers] = await Promise.all([by('day'), by('model'), by('provider')])
    return { days, models, providers, from, range }
  }, [range])
  const { data, problem, loading, again } = useAsk(ask)

  return (
    <Page
      title="Usage"
      hint="Every answer of this computer’s sidecar, with what it took."
      actions={
        <>
          <Choice label="Period" options={RANGES} value={range} name={(days) => `${days} days`} onChange={setRange} />
          <Choice label="Measure" options={MEASURES} value={measure} name={(each) => each} onChange={setMeasure} />
          <button type="button" className="icon-only" onClick={() => void again()} aria-label="Refresh" title="Refresh"><RetryIcon /></button>
        </>
      }
    >
      {problem !== null && <Problem problem={problem} onRetry={() => void again()} />}
      {loading && data === null && <Waiting what="Adding up" />}
      {data !== null && <Totals total={data.days.total} />}
      {data !== null && data.days.total.requests === 0 && (
        <Empty icon={<UsageIcon />} title="Nothing was asked in this time"><p className="muted">Each answer is counted here, whoever gave it.</p></Empty>
      )}
      {data !== null && data.days.total.requests > 0 && (
        <>
          <section className="card"><h2>By day</h2><DayChart rows={data.days.rows} from={data.from} days={data.range} measure={measure} /></section>
          <div className="two">
            <section className="card"><h2>By model</h2><BarChart rows={data.models.rows} measure={measure} of="model" /></section>
            <section className="card"><h2>By provider</h2><BarChart rows={data.providers.rows} measure={measure} of="provider" /></section>
          </div>
        </>
      )}
      <Budgets />
    </Page>
  )
}

function Totals({ total }: { total: UsageSummaryRow }) {
  const figures: Array<[string, string, string]> = [
    ['Requests', count(total.requests), [total.errors > 0 ? plural(total.errors, 'error') : '', total.cancelled > 0 ? `${count(total.cancelled)} stopped` : ''].filter((part) => part !== '').join(', ')],
    ['Tokens', compact(total.totalTokens), `${compact(total.promptTokens)} in, ${compact(total.completionTokens)} out`],
    ['Cost', money(total.cost), total.unpriced > 0 ? `${plural(total.unpriced, 'answer')} without a known price` : ''],
    ['First token', total.firstTokenMs === null ? '–' : duration(total.firstTokenMs), total.totalMs === null ? '' : `${duration(total.totalMs)} in all, on average`]
  ]
  return (
    <dl className="totals">
      {figures.map(([name, figure, more]) => (
        <div key={name}><dt>{name}</dt><dd>{figure}</dd><dd className="muted">{more}</dd></div>
      ))}
    </dl>
  )
}

interface ChoiceProps<T> {
  label: string
  options: readonly T[]
  value: T
  name: (option: T) => string
  onChange: (option: T) => void
}

function Choice<T extends string | number>({ label, options, value, name, onChange }: ChoiceProps<T>) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option} type="button" aria-pressed={option === value} onClick={() => onChange(option)}>{name(option)}</button>
      ))}
    </div>
  )
}
