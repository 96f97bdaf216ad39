/**
 * Work for the next frame, however often it is asked for until then.
 *
 * Law: at most once a frame; a page that nobody sees (and that gets no frames) is still brought up to date, four times a
 * second.
 */
const HIDDEN_MS = 250

let waiting = new Set<() => void>()
let frame = 0
let timer: ReturnType<typeof setTimeout> | undefined

export function atNextFrame(work: () => void): void {
  waiting.add(work)
  if (timer !== undefined) return
  frame = requestAnimationFrame(run)
  timer = setTimeout(run, HIDDEN_MS)
}

function run(): void {
  cancelAnimationFrame(frame)
  clearTimeout(timer)
  timer = undefined
  const now = waiting
  waiting = new Set()
  for (const work of now) work()
}
