import { afterEach, expect, test } from 'vitest'
import { LlmIpc } from '../../src/main/llm-ipc'
import type { SidecarProcess } from '../../src/main/sidecar-process'
import { llmErrorOf } from '../../src/shared/llm-error'
import { isTrusted, sidecarProcess, Transport } from '../support/bridge'

let sidecar: SidecarProcess
afterEach(() => sidecar.stop())

function started(options = {}, limits = {}) {
  sidecar = sidecarProcess(options)
  const transport = new Transport()
  const bridge = new LlmIpc(transport, sidecar, { isTrusted, log: () => undefined, limits })
  bridge.register()
  sidecar.start()
  return { page: () => transport.page(bridge) }
}

const ask = (content: string) => ({ providerId: 'demo', messages: [{ role: 'user' as const, content }] })
const codeOf = (promise: Promise<unknown>) => promise.then(() => 'no error', (error: unknown) => llmErrorOf(error).code)
type Page = ReturnType<ReturnType<typeof started>['page']>

const ended = (page: Page, id: string) =>
  new Promise<string>((resolve) => {
    page.llm.onLlmDone((event) => event.inferenceId === id && resolve('done'))
    page.llm.onLlmError((event) => event.inferenceId === id && resolve(event.code))
  })

test('a page that subscribes only after it knows the id misses no token', async () => {
  const page = started().page()
  const id = await page.llm.llmInference({ ...ask('[[demo: tokens=50]]'), modelId: 'demo-fast' })
  let count = 0
  page.llm.onLlmToken((event) => { count += event.count })
  expect(await ended(page, id)).toBe('done')
  expect(count).toBe(50)
})

test('a sidecar killed in mid-stream is a typed error, and the next message works', async () => {
  const page = started({ restart: { firstDelayMs: 10 } }).page()
  const id = await page.llm.llmInference(ask('[[demo: tokens=5000]]'))
  const end = ended(page, id)
  await new Promise<void>((resolve) => { page.llm.onLlmToken(() => resolve()) })
  process.kill(sidecar.pid!, 'SIGKILL')
  expect(await end).toBe('SIDECAR_EXITED')
  const next = await page.llm.llmInference(ask('[[demo: text=hi]]'))
  expect(await ended(page, next)).toBe('done')
})

test('a sidecar that stands still is ended and started again', async () => {
  const page = started({ times: { pingEveryMs: 20, pingDeadlineMs: 300 }, restart: { firstDelayMs: 10 } }).page()
  await page.llm.llmGetStatus()
  const failed = new Promise<string>((resolve) => sidecar.exits.add((failure) => resolve(failure.code)))
  process.kill(sidecar.pid!, 'SIGSTOP')
  expect(await failed).toBe('SIDECAR_UNRESPONSIVE')
  expect((await page.llm.llmGetStatus()).activeInferences).toBe(0)
})

test("another window's inference is not there, and its events stay where they belong", async () => {
  const { page } = started()
  const [one, other] = [page(), page()]
  const seen: string[] = []
  other.llm.onLlmToken((event) => seen.push(event.token))
  const id = await one.llm.llmInference(ask('[[demo: tokens=20]]'))
  expect(await codeOf(other.llm.llmCancel(id))).toBe('INFERENCE_NOT_FOUND')
  expect(await codeOf(other.llm.llmAttachInference(id, 0))).toBe('INFERENCE_NOT_FOUND')
  expect(await ended(one, id)).toBe('done')
  expect(seen).toEqual([])
})

test('a window that closes ends its work', async () => {
  const { page } = started()
  const [one, other] = [page(), page()]
  await one.llm.llmInference(ask('[[demo: tokens=5000]]'))
  expect((await other.llm.llmGetStatus()).activeInferences).toBe(1)
  one.close()
  expect((await other.llm.llmGetStatus()).activeInferences).toBe(0)
})

test('a flood is refused and the other window is served', async () => {
  const { page } = started({}, { burst: 10, perSecond: 1 })
  const [one, other] = [page(), page()]
  const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(one.llm.llmGetStatus())))
  expect(codes.filter((code) => code === 'RATE_LIMIT')).toHaveLength(20)
  expect(await codeOf(other.llm.llmGetStatus())).toBe('no error')
})

test.each([[null], [7], [{ messages: [] }], [{ messages: [{ role: 'user', content: 1n }] }], [new Map()]])(
  'nonsense from a page (%#) is a VALIDATION_ERROR', async (nonsense) => {
    const answer = await started().page().invoke('llm:inference', nonsense)
    expect(answer).toMatchObject({ success: false, error: { code: 'VALIDATION_ERROR' } })
  }
)

test.each([
  ['SIDECAR_MISSING', { findCommand: () => null }],
  ['SIDECAR_MISSING', { findCommand: () => ({ file: '/nowhere/at/all', args: [], source: 'setting' }) }],
  ['SIDECAR_CRASH_LOOP', { findCommand: () => ({ file: process.execPath, args: ['-e', 'process.exit(1)'], source: 'setting' }),
    restart: { firstDelayMs: 1, maxEnds: 2 } }],
  ['SIDECAR_VERSION', { findCommand: () => ({ file: process.execPath, args: ['-e',
    `process.stdin.once('data', () => console.log('{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":0}}'))`], source: 'setting' }) }]
])('what cannot work ends as %s, with advice', async (code, options) => {
  const page = started(options).page()
  expect(await codeOf(page.llm.llmGetStatus())).toBe(code)
  expect(await page.llm.llmGetSidecarState()).toMatchObject({ state: 'failed', failure: { code, advice: expect.any(String) } })
})

test('after the stop there is no process', async () => {
  const page = started().page()
  await page.llm.llmGetStatus()
  const pid = sidecar.pid!
  await sidecar.stop()
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})
