/** What the bridge refuses, of whom, and that nothing and nobody else suffers from it. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { LlmIpcOptions } from '../../src/main/llm-ipc'
import type { SidecarOptions, SidecarProcess } from '../../src/main/sidecar-process'
import { EVENTS_TAKEN, SIDECAR_GET_STATE, SIDECAR_RESTART } from '../../src/shared/channels'
import { llmErrorOf } from '../../src/shared/llm-error'
import { WINDOW_METHODS } from '../../src/shared/requests'
import { app, ask, codeOf, ended, expectRefusal, PAGE, state } from '../support/bridge'

let sidecar: SidecarProcess
afterEach(() => sidecar.stop())

function started(options: Partial<SidecarOptions> = {}, bridging: Partial<LlmIpcOptions> = {}) {
  const made = app(options, bridging)
  sidecar = made.sidecar
  return made
}

const running = async (): Promise<number> => (await sidecar.request('llm:get-status', {})).activeInferences

describe('who may not ask', () => {
  test.each([
    ['a frame at another address', { frame: { url: 'https://evil.example/', parent: null } }],
    ['another page of the scheme', { frame: { url: 'app://evil/index.html', parent: null } }],
    ['an empty address', { frame: { url: '', parent: null } }],
    ['a frame inside the page', { frame: { url: PAGE, parent: {} } }],
    ['a frame that is gone', { frame: null }],
    ['a window that was never added', { added: false }]
  ])('%s gets FORBIDDEN on every channel, and reaches nothing', async (_who, place) => {
    const asked = vi.fn()
    const { page, transport } = started({}, { log: asked })
    const stranger = page(place)
    const channels = [...transport.handlers.keys()].filter((channel) => channel !== EVENTS_TAKEN)
    expect(channels).toEqual([...WINDOW_METHODS, SIDECAR_GET_STATE, SIDECAR_RESTART])
    for (const channel of channels) expectRefusal(await stranger.invoke(channel, { providerId: 'demo' }), 'FORBIDDEN')
    expect(await stranger.invoke(EVENTS_TAKEN, 5)).toBeUndefined()
    expect(asked).not.toHaveBeenCalled()
    expect(await running()).toBe(0)
  })

  test('a closed window gets FORBIDDEN', async () => {
    const page = started().page()
    page.close()
    expectRefusal(await page.invoke('llm:get-status'), 'FORBIDDEN')
  })

  test('what is for the host alone has no channel', () => {
    const { transport } = started()
    for (const method of ['llm:vault:unlock', 'llm:vault:rotate', 'llm:window:closed', 'initialize', 'shutdown', 'exit', 'rpc.discover']) {
      expect(transport.handlers.has(method)).toBe(false)
    }
  })

  test('when the bridge is taken away, no channel and no event is left', async () => {
    const { transport, bridge, page } = started()
    const one = page()
    await one.llm.llmGetStatus()
    const before = one.sent.length
    bridge.unregister()
    await sidecar.restart()
    await state(sidecar, 'ready')
    expect(transport.handlers.size).toBe(0)
    expect(one.sent).toHaveLength(before)
  })
})

describe('what a page sends', () => {
  test('in a flood is refused, says when to come back, and the other window is served', async () => {
    const { page } = started({}, { limits: { burst: 10, perSecond: 1e-6 } })
    const [one, other] = [page(), page()]
    const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(one.llm.llmGetStatus())))
    expect(codes.filter((code) => code === 'RATE_LIMIT')).toHaveLength(20)
    const told = await one.llm.llmGetStatus().then(() => null, (error: unknown) => llmErrorOf(error))
    expect(told).toMatchObject({ code: 'RATE_LIMIT', retryable: true, retryAfterMs: expect.any(Number) })
    expect(await codeOf(other.llm.llmGetStatus())).toBe('no error')
  })

  test('and is not answered yet has a bound of its own', async () => {
    const { page } = started({}, { limits: { maxUnanswered: 3 } })
    const one = page()
    const asked = Array.from({ length: 3 }, () => codeOf(one.llm.llmGenerateText({ providerId: 'demo', prompt: '[[demo: hang]]' })))
    expect(await codeOf(one.llm.llmGetStatus())).toBe('RATE_LIMIT')
    one.close()
    expect(new Set(await Promise.all(asked)).size).toBe(1)
  })

  test('with a window, a name or an owner of its own making is overruled', async () => {
    const { page } = started()
    const [one, other] = [page(), page()]
    const id = await one.llm.llmInference({ ...ask('[[demo: tokens=3]]'), windowId: 'w-other' } as never)
    const windows = new Set<string | undefined>()
    one.llm.onLlmToken((event) => windows.add(event.windowId))
    expect(await ended(one, id)).toBe('done')
    expect(windows.size).toBe(1)
    expect([...windows][0]).not.toBe('w-other')
    expect(other.sent.filter(({ channel }) => channel === 'llm:token')).toEqual([])
  })

  test('too large for a message is MESSAGE_TOO_LARGE, and the next is served', async () => {
    const page = started().page()
    const huge = { ...ask('x'), metadata: { everything: 'x'.repeat(17 * 1024 * 1024) } }
    expect(await codeOf(page.llm.llmInference(huge))).toBe('MESSAGE_TOO_LARGE')
    expect(await ended(page, await page.llm.llmInference(ask('[[demo: text="hi"]]')))).toBe('done')
  })

  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const nonsense = [
    null, 7, 'text', [], { messages: [] }, { messages: [{ role: 'user', content: 1n }] }, new Map(), new Date(),
    { ...ask('x'), metadata: cycle }, { ...ask('x'), temperature: Number.NaN }, { ...ask('x'), maxTokens: 1e9 },
    { ...ask('x'), tools: 'none' }, { ...ask('x'), inferenceId: '' }, { messages: Array(101).fill(ask('x').messages[0]) },
    { providerId: 'demo', messages: [{ role: 'user', content: 'x'.repeat(100_001) }] }
  ]
  test('as nonsense, past the preload, is a VALIDATION_ERROR each time', async () => {
    const page = started().page()
    for (const each of nonsense) expectRefusal(await page.invoke('llm:inference', each), 'VALIDATION_ERROR')
    expect(await running()).toBe(0)
  })
})
