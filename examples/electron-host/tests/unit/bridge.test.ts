/** Windows, the bridge and the real sidecar: who hears what, and what becomes of it when something dies. */
import { afterEach, describe, expect, test } from 'vitest'
import type { LlmIpcOptions } from '../../src/main/llm-ipc'
import type { SidecarOptions, SidecarProcess } from '../../src/main/sidecar-process'
import { app, ask, begun, codeOf, ended, program, state, until } from '../support/bridge'

let sidecar: SidecarProcess
afterEach(() => sidecar.stop())

function started(options: Partial<SidecarOptions> = {}, bridging: Partial<LlmIpcOptions> = {}) {
  const made = app(options, bridging)
  sidecar = made.sidecar
  return made
}

const running = async (): Promise<number> => (await sidecar.request('llm:get-status', {})).activeInferences
const LONG = '[[demo: tokens=100000]]'

describe('an answer', () => {
  test('misses no token on a page that subscribes only after it knows the id', async () => {
    const page = started().page()
    const id = await page.llm.llmInference({ ...ask('[[demo: tokens=50]]'), modelId: 'demo-fast' })
    let count = 0
    page.llm.onLlmToken((event) => { count += event.count })
    expect(await ended(page, id)).toBe('done')
    expect(count).toBe(50)
  })

  test('is cancelled: what came stays, and nothing follows', async () => {
    const page = started().page()
    const id = await page.llm.llmInference(ask(LONG))
    const done = new Promise<boolean | undefined>((resolve) => page.llm.onLlmDone((event) => resolve(event.cancelled)))
    await begun(page, id)
    expect(await page.llm.llmCancel(id)).toBe(true)
    expect(await done).toBe(true)
    expect(await page.llm.llmCancel(id)).toBe(false)
    expect(await page.llm.llmCancel('never-heard-of')).toBe(false)
  })

  test('is a chat completion in chunks, under the name that the page gave it', async () => {
    const page = started().page()
    const chunks: string[] = []
    page.llm.onLlmChatChunk((event) => chunks.push(event.requestId))
    const request = { messages: [{ role: 'user' as const, content: '[[demo: text="one two three"]]' }], stream: true }
    const completion = await page.llm.llmChatCompletions({ providerId: 'demo', request }, 'mine')
    expect(completion.choices[0]?.message.content).toBe('one two three')
    expect(new Set(chunks)).toEqual(new Set(['mine']))
  })
})

describe('a sidecar that dies', () => {
  test('in mid-stream: a typed error, once; the session is intact, and its next message works', async () => {
    const page = started({ restart: { firstDelayMs: 1 } }).page()
    const { sessionId } = await page.llm.llmCreateSession({ providerId: 'demo' })
    const turn = (text: string) => page.llm.llmRunSession({ sessionId, messages: [{ role: 'user', content: text }] })
    expect(await ended(page, await turn('[[demo: text="Before."]]'))).toBe('done')
    const id = await turn('Introduce yourself.')
    const errors: string[] = []
    page.llm.onLlmError((event) => errors.push(`${event.inferenceId === id} ${event.sessionId === sessionId} ${event.code} ${event.retryable}`))
    const end = ended(page, id)
    await begun(page, id)
    process.kill(sidecar.pid!, 'SIGKILL')
    expect(await end).toBe('SIDECAR_EXITED')
    expect(await ended(page, await turn('[[demo: text="After."]]'))).toBe('done')
    const again = state(sidecar, 'restarting')
    process.kill(sidecar.pid!, 'SIGKILL')
    await again
    await page.llm.llmGetStatus()
    expect(errors).toEqual(['true true SIDECAR_EXITED true'])
    const { messages } = await page.llm.llmGetSessionHistory({ sessionId })
    const kept = messages.filter(({ state: how }) => how !== 'interrupted' && how !== 'cancelled')
    expect(kept.filter(({ role }) => role === 'assistant').map(({ content }) => content)).toEqual(['Before.', 'After.'])
  })

  test('while it is asked something: the request is rejected, typed, and can be made again', async () => {
    const page = started({ restart: { firstDelayMs: 1 } }).page()
    await page.llm.llmGetStatus()
    const asked = codeOf(page.llm.llmGenerateText({ providerId: 'demo', prompt: '[[demo: hang]]' }))
    await until(running, (count) => count === 1)
    process.kill(sidecar.pid!, 'SIGKILL')
    expect(await asked).toBe('SIDECAR_EXITED')
    expect((await page.llm.llmGenerateText({ providerId: 'demo', prompt: '[[demo: text="well"]]' })).text).toBe('well')
  })

  test('with answers in two windows: each is told of its own', async () => {
    const { page } = started({ restart: { firstDelayMs: 1 } })
    const pages = [page(), page()]
    const told = await Promise.all(pages.map(async (each) => {
      const id = await each.llm.llmInference(ask(LONG))
      const heard: string[] = []
      each.llm.onLlmError((event) => heard.push(event.inferenceId === id ? event.code : 'of another'))
      const end = ended(each, id)
      await begun(each, id)
      return { heard, end }
    }))
    process.kill(sidecar.pid!, 'SIGKILL')
    await Promise.all(told.map(({ end }) => end))
    expect(told.map(({ heard }) => heard)).toEqual([['SIDECAR_EXITED'], ['SIDECAR_EXITED']])
  })

  test.each([
    ['SIDECAR_MISSING', { findCommand: () => null }],
    ['SIDECAR_MISSING', { findCommand: () => ({ file: '/nowhere/at/all', args: [], source: 'setting' as const }) }],
    ['SIDECAR_CRASH_LOOP', { findCommand: () => program('process.exit(1)'), restart: { firstDelayMs: 1, maxEnds: 2 } }],
    ['SIDECAR_VERSION', { findCommand: () => program('process.stdin.once("data", () => hello({ protocolVersion: 0 }))') }]
  ])('for good, as %s: a page gets it as an error and as a state, with advice', async (code, options) => {
    const page = started(options).page()
    expect(await codeOf(page.llm.llmGetStatus())).toBe(code)
    expect(await page.llm.llmGetSidecarState()).toMatchObject({ state: 'failed', failure: { code, advice: expect.any(String) } })
    expect(await page.llmAPI.listProfiles()).toMatchObject({ success: false, error: code, retryable: false })
  })

  test('and comes again when the page asks for it; every change is told', async () => {
    let there = false
    const page = started({ findCommand: () => (there ? program('process.stdin.once("data", () => hello())') : null), times: { stopMs: 1 } }).page()
    await state(sidecar, 'failed')
    const seen: string[] = []
    const ready = new Promise<void>((resolve) => page.llm.onSidecarState((now) => {
      seen.push(now.state)
      if (now.state === 'ready') resolve()
    }))
    there = true
    await page.llm.llmRestartSidecar()
    await ready
    expect(seen.slice(-2)).toEqual(['starting', 'ready'])
  })
})

describe("another window's", () => {
  test('inference is not there, and its events stay where they belong', async () => {
    const { page } = started()
    const [one, other] = [page(), page()]
    const id = await one.llm.llmInference(ask('[[demo: tokens=20]]'))
    expect(await codeOf(other.llm.llmCancel(id))).toBe('INFERENCE_NOT_FOUND')
    expect(await codeOf(other.llm.llmAttachInference(id, 0))).toBe('INFERENCE_NOT_FOUND')
    expect(await codeOf(other.llm.llmInference({ ...ask('x'), inferenceId: id }))).toBe('INFERENCE_EXISTS')
    expect(await ended(one, id)).toBe('done')
    expect(await codeOf(other.llm.llmAttachInference(id, 0))).toBe('INFERENCE_NOT_FOUND')
    expect(await codeOf(other.llm.llmInference({ ...ask('x'), inferenceId: id }))).toBe('INFERENCE_EXISTS')
    expect(other.sent.filter(({ channel }) => channel !== 'llm:sidecar:state')).toEqual([])
  })

  test('session is not there, by whatever it is asked for, until its window is closed', async () => {
    const { page } = started()
    const [one, other] = [page(), page()]
    const { sessionId } = await one.llm.llmCreateSession({ providerId: 'demo' })
    const messages = [{ role: 'user' as const, content: 'x' }]
    expect(await codeOf(other.llm.llmGetSession(sessionId))).toBe('SESSION_NOT_FOUND')
    expect(await codeOf(other.llm.llmGetSessionHistory({ sessionId }))).toBe('SESSION_NOT_FOUND')
    expect(await codeOf(other.llm.llmForkSession({ sessionId }))).toBe('SESSION_NOT_FOUND')
    expect(await codeOf(other.llm.llmDestroySession(sessionId))).toBe('SESSION_NOT_FOUND')
    expect(await codeOf(other.llm.llmRunSession({ sessionId, messages }))).toBe('SESSION_NOT_FOUND')
    expect((await other.llm.llmListSessions()).sessions).toEqual([])
    expect((await one.llm.llmListSessions()).sessions).toHaveLength(1)
    one.close()
    expect((await other.llm.llmListSessions()).sessions).toHaveLength(1)
    expect(await ended(other, await other.llm.llmRunSession({ sessionId, messages }))).toBe('done')
    expect(await codeOf(page().llm.llmGetSession(sessionId))).toBe('SESSION_NOT_FOUND')
  })

  test('job is not there, and is told to its window alone', async () => {
    const { page } = started()
    const [one, other] = [page(), page()]
    const done = new Promise<string>((resolve) => one.llm.onLlmJobDone((event) => resolve(event.jobId)))
    const params = { providerId: 'demo', prompt: '[[demo: text="done"]]', windowId: 'somebody-else' }
    const jobId = await one.llm.llmSubmitJob({ kind: 'generate-text', params })
    expect(await codeOf(other.llm.llmGetJob(jobId))).toBe('JOB_NOT_FOUND')
    expect(await codeOf(other.llm.llmCancelJob(jobId))).toBe('JOB_NOT_FOUND')
    expect(await done).toBe(jobId)
    expect(await codeOf(other.llm.llmGetJobResult({ jobId }))).toBe('JOB_NOT_FOUND')
    expect((await other.llm.llmListJobs()).jobs).toEqual([])
    expect((await one.llm.llmGetJobResult({ jobId })).result).toMatchObject({ text: 'done' })
    expect(other.sent.filter(({ channel }) => channel.startsWith('llm:job'))).toEqual([])
  })
})

describe('a window that goes', () => {
  test.each(['close', 'crash'] as const)('(%s) ends its work, and nobody else\'s', async (how) => {
    const { page } = started()
    const [one, other] = [page(), page()]
    await one.llm.llmInference(ask(LONG))
    const kept = await other.llm.llmInference(ask(LONG))
    expect(await running()).toBe(2)
    one[how]()
    expect(await running()).toBe(1)
    expect(await other.llm.llmCancel(kept)).toBe(true)
  })

  test('while the sidecar starts: what it asked is never begun', async () => {
    const { page } = started()
    const one = page()
    const asked = codeOf(one.llm.llmInference(ask(LONG)))
    one.close()
    expect(await asked).toBe('CANCELLED')
    expect(await running()).toBe(0)
  })

  test('is not written to any more, and one whose process died can be loaded again', async () => {
    const { page } = started({ restart: { firstDelayMs: 1 } })
    const [closed, crashed] = [page(), page()]
    await state(sidecar, 'ready')
    closed.close()
    crashed.crash()
    const before = closed.sent.length
    const { llm } = crashed.reload()
    expect(await ended({ llm }, await llm.llmInference(ask('[[demo: text="hi"]]')))).toBe('done')
    expect(closed.sent).toHaveLength(before)
  })
})

describe('a page that is loaded again', () => {
  test('goes on with the answer that is being written, from its first word', async () => {
    const page = started().page()
    const id = await page.llm.llmInference(ask('[[demo: tokens=60 rate=200]]'))
    await begun(page, id)
    const { llm } = page.reload()
    let live = 0
    llm.onLlmToken((event) => { live += event.count })
    const end = ended({ llm }, id)
    const { events, terminal } = await llm.llmAttachInference(id, 0)
    const past = events.filter(({ method }) => method === 'llm:token').reduce((sum, { params }) => sum + (params as { count: number }).count, 0)
    if (!terminal) expect(await end).toBe('done')
    expect(past).toBeGreaterThan(0)
    expect(past + live).toBeGreaterThanOrEqual(60)
  })
})

describe('a page that takes nothing', () => {
  test('costs a bounded number of events on their way, and the other window nothing; when it takes again, it can have all', async () => {
    const { page } = started({}, { limits: { maxUntaken: 64, maxWaiting: 20_000 } })
    const [hung, other] = [page(), page()]
    const id = await hung.llm.llmInference(ask('[[demo: tokens=3000 rate=max firstToken=0 connect=0]]'))
    hung.hang()
    const flood = await other.llm.llmInference(ask('[[demo: tokens=3000 rate=max]]'))
    let count = 0
    other.llm.onLlmToken((event) => { count += event.count })
    expect(await ended(other, flood)).toBe('done')
    expect(count).toBe(3_000)
    await until(running, (left) => left === 0)
    expect(hung.sent.length).toBeLessThanOrEqual(64)
    const { llm } = hung.reload()
    const { events, terminal } = await llm.llmAttachInference(id, 0)
    expect(terminal).toBe(true)
    const all = events.filter(({ method }) => method === 'llm:token').reduce((sum, { params }) => sum + (params as { count: number }).count, 0)
    expect(all).toBe(3_000)
  })
})
