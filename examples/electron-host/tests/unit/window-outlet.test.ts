/** Events on their way to a page that takes them, slowly, or not at all. */
import { expect, test } from 'vitest'
import { OUTLET_RULES, WindowOutlet } from '../../src/main/window-outlet'
import { takings } from '../../src/preload/takings'
import { EVENTS_TAKEN } from '../../src/shared/channels'

function outlet(maxUntaken = 3, maxWaiting = 10_000) {
  const sent: Array<[string, number]> = []
  const state = { destroyed: false }
  const made = new WindowOutlet(
    { send: (channel, payload) => sent.push([channel, (payload as { n: number }).n]), isDestroyed: () => state.destroyed },
    { maxUntaken, maxWaiting }
  )
  const token = (n: number, token = ''): void => made.send('llm:token', { n, token })
  return { made, sent, state, token, numbers: () => sent.map(([, n]) => n) }
}

test('so many are sent ahead, the others wait and follow in their order', () => {
  const { made, token, numbers } = outlet()
  for (let n = 0; n < 8; n += 1) token(n)
  expect(numbers()).toEqual([0, 1, 2])
  made.taken(2)
  expect(numbers()).toEqual([0, 1, 2, 3, 4])
  token(8)
  made.taken(99)
  expect(numbers()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  made.taken(3)
  expect(numbers()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
})

test('beyond the bound, what can be asked for again is left out, and ends are not', () => {
  const { made, token, sent } = outlet(1, 2_000)
  for (let n = 0; n < 100; n += 1) token(n, 'x'.repeat(100))
  made.send('llm:done', { n: 100 })
  made.send('llm:job:error', { n: 101 })
  made.send('llm:sidecar:state', { n: 102 })
  for (let n = 0; n < 200; n += 1) made.taken(1)
  const numbers = sent.map(([, n]) => n)
  expect(numbers.slice(-3)).toEqual([100, 101, 102])
  expect(numbers.length).toBeLessThan(12)
  expect(numbers).toEqual([...numbers].sort((one, other) => one - other))
})

test('a long token counts as long as it is', () => {
  const { token, made, numbers } = outlet(1, 2_000)
  token(0)
  token(1, 'x'.repeat(5_000))
  token(2)
  made.taken(1)
  expect(numbers()).toEqual([0, 2])
})

test('a page that is loaded begins with nothing', () => {
  const { made, token, numbers } = outlet()
  for (let n = 0; n < 8; n += 1) token(n)
  made.begin()
  token(8)
  expect(numbers()).toEqual([0, 1, 2, 8])
})

test('a window that is gone is sent nothing', () => {
  const { made, token, state, numbers } = outlet()
  for (let n = 0; n < 5; n += 1) token(n)
  state.destroyed = true
  made.taken(3)
  expect(numbers()).toEqual([0, 1, 2])
})

test('a preload says that a page begins, and then of many events at once, often enough never to be waited for', () => {
  const told: unknown[][] = []
  const taken = takings({ invoke: async (...args) => told.push(args) })
  for (let count = 0; count < OUTLET_RULES.maxUntaken; count += 1) taken()
  expect(told[0]).toEqual([EVENTS_TAKEN, 0])
  expect(told.length).toBeGreaterThan(4)
  expect(told.slice(1).reduce((sum, [, count]) => sum + Number(count), 0)).toBe(OUTLET_RULES.maxUntaken)
})

test('a preload whose word is not heard goes on', async () => {
  const taken = takings({ invoke: () => Promise.reject(new Error('No handler registered')) })
  for (let count = 0; count < 200; count += 1) taken()
  await Promise.resolve()
})
