import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { InferenceFeed, type Feeding, type InferenceEvent } from '../../src/renderer/llm/inference-feed'
import { LiveAnswer } from '../../src/renderer/llm/live-answer'

const frames: Array<() => void> = []
beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('requestAnimationFrame', (work: () => void) => frames.push(work))
  vi.stubGlobal('cancelAnimationFrame', () => undefined)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})
const nextFrame = (): void => frames.splice(0).forEach((work) => work())

const token = (seq: number, text: string): InferenceEvent => ({ kind: 'token', event: { inferenceId: 'i', seq, token: text, index: seq, count: 1 } })
const done = (seq: number): InferenceEvent => ({
  kind: 'done',
  event: {
    inferenceId: 'i', seq, totalTokens: 2, usage: { promptTokens: 1, completionTokens: 1, totalTokens: 2, source: 'reported' }, cost: null,
    finishReason: 'stop', rawFinishReason: 'stop', providerId: 'demo', modelId: 'demo-1', attempts: 1, timings: { queuedMs: 0, firstTokenMs: 1, totalMs: 2 }
  }
})

describe('an answer', () => {
  test('changes its snapshot once a frame, however many events came', () => {
    const answer = new LiveAnswer('i')
    const watcher = vi.fn()
    answer.subscribe(watcher)
    for (let seq = 0; seq < 500; seq += 1) answer.apply(token(seq, 'x'))
    expect(watcher).not.toHaveBeenCalled()
    nextFrame()
    expect(watcher).toHaveBeenCalledTimes(1)
    expect(answer.snapshot().tokens).toBe(500)
  })

  test('takes each event once, in order, and asks for what is missing', () => {
    const onGap = vi.fn()
    const answer = new LiveAnswer('i', onGap)
    answer.apply(token(0, 'a'))
    answer.apply(token(2, 'c'))
    answer.apply(token(3, 'd'))
    expect(onGap).toHaveBeenCalledExactlyOnceWith(1)
    expect(answer.text).toBe('a')
    answer.apply(token(0, 'a'))
    answer.apply(token(1, 'b'))
    expect(answer.text).toBe('abcd')
  })

  test('takes nothing after its end', () => {
    const answer = new LiveAnswer('i')
    answer.apply(token(0, 'a'))
    answer.apply(done(1))
    answer.apply(token(2, 'late'))
    nextFrame()
    expect(answer.snapshot()).toMatchObject({ status: 'done', tokens: 1 })
    expect(answer.text).toBe('a')
  })
})

describe('the feed', () => {
  function feed() {
    const tell: Partial<Record<keyof Feeding, (event: never) => void>> = {}
    const on = (name: keyof Feeding) => (callback: (event: never) => void) => {
      tell[name] = callback
      return () => void delete tell[name]
    }
    const names = ['onLlmThinking', 'onLlmToken', 'onLlmToolCall', 'onLlmProgress', 'onLlmDone', 'onLlmError'] as const
    const made = new InferenceFeed(Object.fromEntries(names.map((name) => [name, on(name)])) as unknown as Feeding)
    return { made, tell }
  }

  test('keeps what comes before somebody listens, and tells it first', () => {
    const { made, tell } = feed()
    tell.onLlmToken?.(token(0, 'a').event as never)
    tell.onLlmToken?.(token(1, 'b').event as never)
    const heard: number[] = []
    made.listen('i', ({ event }) => heard.push(event.seq))
    tell.onLlmToken?.(token(2, 'c').event as never)
    expect(heard).toEqual([0, 1, 2])
  })

  test('bounds what nobody listens to, and ends its subscriptions', () => {
    const { made, tell } = feed()
    for (let id = 0; id < 100; id += 1) tell.onLlmToken?.({ ...token(0, 'a').event, inferenceId: `i${id}` } as never)
    const heard: string[] = []
    for (let id = 0; id < 100; id += 1) made.listen(`i${id}`, ({ event }) => heard.push(event.inferenceId))
    expect(heard).toHaveLength(32)
    made.close()
    expect(Object.keys(tell)).toEqual([])
  })
})
