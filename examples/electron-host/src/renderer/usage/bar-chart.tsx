/** Groups as bars with their figures: a list that a screen reader can read as it is. */
import type { UsageSummaryRow } from '../../shared/protocol'
import { plural } from '../ui/figures'
import { shown, valueOf, type Measure } from './usage-page'

const MOST = 8

export function BarChart({ rows, measure, of }: { rows: UsageSummaryRow[]; measure: Measure; of: string }) {
  const sorted = [...rows].sort((one, other) => valueOf(other, measure) - valueOf(one, measure))
  const top = Math.max(...sorted.map((row) => valueOf(row, measure)), Number.MIN_VALUE)
  return (
    <ul className="bars">
      {sorted.slice(0, MOST).map((row) => (
        <li key={row.key ?? ''}>
          <div className="bar-head"><span className="address">{row.key ?? `no ${of}`}</span><strong>{shown(valueOf(row, measure), measure)}</strong></div>
          <svg className="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect className="track" width="100" height="4" />
            <rect className="column" width={(100 * valueOf(row, measure)) / top} height="4" />
          </svg>
          <p className="muted">{plural(row.requests, 'request')}{row.errors > 0 ? `, ${plural(row.errors, 'error')}` : ''}{row.unpriced > 0 ? `, ${row.unpriced} without a price` : ''}</p>
        </li>
      ))}
      {sorted.length > MOST && <li className="muted">and {plural(sorted.length - MOST, 'more')}</li>}
    </ul>
  )
}
