/** Numbers, money, times: short, in the user's language. */
const whole = new Intl.NumberFormat()
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

export const count = (value: number): string => whole.format(value)
export const compact = (value: number): string => (value < 10_000 ? whole.format(value) : short.format(value))

/** US dollars; small sums keep two digits that say something. */
export function money(dollars: number): string {
  if (dollars === 0) return '$0.00'
  const digits = dollars >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(Math.abs(dollars))))
  return `$${dollars.toFixed(Math.max(2, digits))}`
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** An instant: the time of today, else the day. */
export function when(instant: number): string {
  const then = new Date(instant)
  return then.toDateString() === new Date().toDateString() ? clock.format(then) : day.format(then)
}

export const fully = (instant: number): string => full.format(new Date(instant))
export const plural = (number: number, one: string, many = `${one}s`): string => `${count(number)} ${number === 1 ? one : many}`
