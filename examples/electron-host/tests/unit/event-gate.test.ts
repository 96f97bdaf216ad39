/** Events that come before their answer's id, after it, or for nobody here. */
import { beforeEach, expect, test } from 'vitest'
import { EventGate } from '../../src/preload/event-gate'

let turns: Array<() => void>
let gate: EventGate
let heard: string[]
beforeEach(() => {
  turns = []
  heard = []
  gate = new EventGate((work) => turns.push(work))
})

const nextTurn = (): void => turns.splice(0).forEach((work) => work())
const event = (id: string, name: string, terminal = false): void => gate.pass(id, terminal, () => heard.push(name))

/** A start whose answer is given, or refused, by hand. */
function start() {
  let answer!: (id: string) => void
  let refuse!: (error: Error) => void
  const id = gate.started(new Promise((resolve, reject) => { answer = resolve; refuse = reject }))
  id.catch(() => undefined)
  return { id, answer, refuse }
}

test('what comes before the id, and in the turn in which it is told, follows in its order', async () => {
  const { id, answer } = start()
  event('a', '1')
  event('a', '2')
  answer('a')
  expect(await id).toBe('a')
  event('a', '3')
  expect(heard).toEqual([])
  nextTurn()
  event('a', '4')
  expect(heard).toEqual(['1', '2', '3', '4'])
})

test('an answer that is over before its id is known is told whole', async () => {
  const { id, answer } = start()
  event('a', 'token')
  event('a', 'end', true)
  answer('a')
  await id
  nextTurn()
  expect(heard).toEqual(['token', 'end'])
})

test('without a start, everything follows at once', () => {
  event('a', '1')
  expect(heard).toEqual(['1'])
})

test('answers that are known are not held because another one starts', async () => {
  const first = start()
  first.answer('a')
  await first.id
  nextTurn()
  start()
  event('a', '1')
  event('b', '2')
  expect(heard).toEqual(['1'])
})

test('two that start at once do not get into each other\'s way', async () => {
  const [one, two] = [start(), start()]
  event('b', 'b1')
  event('a', 'a1')
  one.answer('a')
  await one.id
  nextTurn()
  expect(heard).toEqual(['a1'])
  two.answer('b')
  await two.id
  nextTurn()
  expect(heard).toEqual(['a1', 'b1'])
})

test('a start that is refused frees what was held for others: the page was loaded again, they belong to the one before', async () => {
  const { id, refuse } = start()
  event('old', '1')
  event('old', '2', true)
  refuse(new Error('refused'))
  await expect(id).rejects.toThrow('refused')
  expect(heard).toEqual([])
  nextTurn()
  expect(heard).toEqual(['1', '2'])
})

test('a start whose id never comes holds no more than so much, and loses nothing', () => {
  start()
  for (let index = 0; index < 10_000; index += 1) event(`of-nobody-${index % 7}`, String(index))
  expect(heard.length).toBeGreaterThan(5_000)
  for (let id = 0; id < 7; id += 1) {
    const own = heard.map(Number).filter((index) => index % 7 === id)
    expect(own).toEqual([...own].sort((one, other) => one - other))
  }
  expect(new Set(heard).size).toBe(heard.length)
})

test('ids that were released are forgotten in the end', async () => {
  for (let index = 0; index < 1_100; index += 1) {
    const { id, answer } = start()
    answer(`a${index}`)
    await id
    nextTurn()
  }
  start()
  event('a1099', 'known')
  event('a0', 'forgotten')
  expect(heard).toEqual(['known'])
})
