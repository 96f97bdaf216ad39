/**
 * Days as columns, drawn here.
 *
 * Law: a day without anything has its place. A screen reader gets the same figures as a table; the drawing says nothing
 * to it.
 */
import type { UsageSummaryRow } from '../../shared/protocol'
import { shown, valueOf, type Measure } from './usage-page'

const WIDTH = 720
const HEIGHT = 180
const LEFT = 52
const BOTTOM = 22
const TOP = 10
const WIDEST_COLUMN = 48
/** Of a date below the columns. */
const LABEL = 48
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

interface DayChartProps {
  rows: UsageSummaryRow[]
  /** The first day's beginning, epoch milliseconds. */
  from: number
  days: number
  measure: Measure
}

export function DayChart({ rows, from, days, measure }: DayChartProps) {
  const byDay = new Map(rows.map((row) => [row.key, row]))
  const columns = Array.from({ length: days }, (_, index) => {
    const date = new Date(from)
    date.setDate(date.getDate() + index)
    const row = byDay.get(isoDay(date))
    return { date, value: row === undefined ? 0 : valueOf(row, measure) }
  })
  const top = niceCeiling(Math.max(...columns.map(({ value }) => value)))
  const step = (WIDTH - LEFT) / days
  const width = Math.min(step * 0.72, WIDEST_COLUMN)
  const center = (index: number): number => LEFT + (index + 0.5) * step
  /** The last date would run out of the drawing. */
  const endsHere = (index: number): boolean => index === days - 1 && step < LABEL
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)
  const every = Math.ceil(days / 8)
  return (
    <>
      <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line className="grid" x1={LEFT} x2={WIDTH} y1={y(top * part)} y2={y(top * part)} />
            <text className="axis" x={LEFT - 8} y={y(top * part) + 4} textAnchor="end">{shown(top * part, measure)}</text>
          </g>
        ))}
        {columns.map(({ date, value }, index) => (
          <g key={index}>
            <rect className="column" x={center(index) - width / 2} width={width} y={y(value)} height={Math.max(0, HEIGHT - BOTTOM - y(value))} rx={Math.min(3, step * 0.2)}>
              <title>{`${day.format(date)}: ${shown(value, measure)}`}</title>
            </rect>
            {(days - 1 - index) % every === 0 && <text className={(days - 1 - index) % (2 * every) === 0 ? 'axis' : 'axis minor'} x={endsHere(index) ? WIDTH : center(index)} y={HEIGHT - 5} textAnchor={endsHere(index) ? 'end' : 'middle'}>{day.format(date)}</text>}
          </g>
        ))}
      </svg>
      <table className="heard">
        <caption>{measure} by day</caption>
        <tbody>
          {columns.filter(({ value }) => value > 0).map(({ date, value }) => <tr key={date.getTime()}><th scope="row">{day.format(date)}</th><td>{shown(value, measure)}</td></tr>)}
        </tbody>
      </table>
    </>
  )
}

function isoDay(date: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** The next 1, 2 or 5 times a power of ten: a scale that can be read. */
export function niceCeiling(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((each) => each * power >= value) ?? 10) * power
}
