/** What the preload lets through: every function of both APIs, with nonsense, wrong types and what is too much. */
import { describe, expect, test } from 'vitest'
import { createApis, exposeLlm } from '../../src/preload/expose'
import type { LlmApi, LlmApiProfiles } from '../../src/shared/api'
import { EVENT_CHANNELS, EVENTS_TAKEN, SIDECAR_STATE_EVENT } from '../../src/shared/channels'
import { llmErrorOf } from '../../src/shared/llm-error'
import { WINDOW_METHODS } from '../../src/shared/requests'
import { ask } from '../support/bridge'

function preload() {
  const sent: Array<{ channel: string; args: unknown[] }> = []
  const listeners = new Map<string, (event: unknown, payload: unknown) => void>()
  const apis = createApis({
    invoke: async (channel, ...args) => {
      if (channel !== EVENTS_TAKEN) sent.push({ channel, args })
      return { success: true, data: 'an-id', timestamp: 1 }
    },
    on: (channel, listener) => listeners.set(channel, listener),
    removeListener: () => undefined
  })
  return { ...apis, sent, tell: (channel: string, payload: unknown) => listeners.get(channel)!({ sender: 'an event object' }, payload) }
}

type Call = (...args: unknown[]) => Promise<unknown>
const ID = 'x'.repeat(101)
const UUID = '11111111-1111-4111-8111-111111111111'
const HUGE = 'x'.repeat(1_000_000)
const messages = ask('x').messages

/** Arguments that each function refuses, besides what nobody takes. */
const WRONG: Record<string, unknown[][]> = {
  llmInference: [[{}], [{ messages: 'hello' }], [{ messages: [] }], [{ messages: Array(101).fill(messages[0]) }], [{ messages: [{ role: 'owner', content: 'x' }] }],
    [{ messages: [{ role: 'user' }] }], [{ messages: [{ role: 'user', content: HUGE }] }], [{ messages: [{ role: 'user', content: [{ type: 'video' }] }] }],
    [{ messages, temperature: 2.1 }], [{ messages, temperature: '1' }], [{ messages, temperature: Number.NaN }], [{ messages, maxTokens: 0 }], [{ messages, maxTokens: 1.5 }],
    [{ messages, maxTokens: Infinity }], [{ messages, stream: 'yes' }], [{ messages, timeoutMs: 999 }], [{ messages, inferenceId: ID }], [{ messages, inferenceId: '' }],
    [{ messages, modelId: 7 }], [{ messages, metadata: [] }], [{ messages, systemPrompt: HUGE }]],
  llmCancel: [[''], [ID], [{ inferenceId: 'x' }]],
  llmAttachInference: [['x'], ['x', -1], ['x', 1.5], ['x', '0'], ['x', Number.NaN], [ID, 0]],
  llmGenerateText: [[{}], [{ prompt: '' }], [{ prompt: HUGE }], [{ prompt: 'x', maxTokens: -1 }]],
  llmChatCompletions: [[{}], [{ request: 'x' }], [{ request: [] }]],
  llmCreateSession: [[{ sessionId: ID }], [{ temperature: 3 }], [{ ephemeral: 1 }], [{ idleTimeoutMs: 1 }]],
  llmDestroySession: [[''], [ID], [7]],
  llmRunSession: [[{ messages }], [{ sessionId: 'x' }], [{ sessionId: ID, messages }], [{ sessionId: 'x', messages: [] }]],
  llmListSessions: [[{ limit: 0 }], [{ limit: 201 }], [{ cursor: 7 }]],
  llmGetSession: [[''], [ID]],
  llmGetSessionHistory: [[{}], [{ sessionId: '' }], [{ sessionId: 'x', limit: -1 }]],
  llmForkSession: [[{}], [{ sessionId: 'x', newSessionId: ID }]],
  llmListModels: [[{ profileId: 7 }], [{ providerId: '' }]],
  llmSubmitJob: [[{}], [{ kind: 'inference' }], [{ kind: 7, params: {} }], [{ kind: 'inference', params: [] }], [{ kind: 'inference', params: {}, priority: 0.5 }]],
  llmGetJob: [[''], [ID]],
  llmListJobs: [[{ limit: '5' }]],
  llmCancelJob: [[''], [ID]],
  llmGetJobResult: [[{}], [{ jobId: '' }]],
  llmGetUsageSummary: [['x']],
  llmListUsage: [[{ limit: 1_000 }]],
  llmSetBudget: [['x']],
  llmListAudit: [[{ cursor: '' }]],
  createProfile: [[{}], [{ name: 'x' }], [{ name: '', providerType: 'openai' }], [{ name: ID, providerType: 'openai' }], [{ name: 'x', providerType: 'openai', apiKey: HUGE }],
    [{ name: 'x', providerType: 'openai', consentTimestamp: 'now' }], [{ name: 'x', providerType: 'openai', allowInsecure: 'no' }]],
  updateProfile: [[{}], [{ id: 'not-a-uuid' }], [{ id: UUID, name: 7 }]],
  deleteProfile: [[{}], [{ id: UUID.replace('-4', '-1') }], [{ id: UUID, activateAlternateId: 'x' }]],
  activateProfile: [[{}], [{ id: 7 }]],
  testPrompt: [[{ profileId: 'x' }], [{ promptText: '' }], [{ promptText: HUGE }]],
  discoverProfiles: [[{ force: 'yes' }]]
}
/** These need no argument; what is given is not sent. */
const WITHOUT = ['llmGetStatus', 'llmListProviders', 'llmGetBudgets', 'llmGetVaultStatus', 'llmGetSidecarState', 'llmRestartSidecar', 'listProfiles']
const NOBODYS: unknown[][] = [['x'], [7], [true], [[]], [() => 1], [Symbol('x')], [new Map()], [new Date(0)], [10n], [/x/]]
const OPTIONAL = ['llmListSessions', 'llmListModels', 'llmListJobs', 'llmGetUsageSummary', 'llmListUsage', 'llmListAudit', 'testPrompt', 'discoverProfiles']
/** A string is what these want. */
const BY_ID = ['llmCancel', 'llmDestroySession', 'llmGetSession', 'llmGetJob', 'llmCancelJob']

const functionsOf = (api: object): string[] => Object.keys(api).filter((name) => !name.startsWith('on'))
const asks = (apis: { llm: LlmApi; llmAPI: LlmApiProfiles }, name: string): Call => (Reflect.get(apis.llm, name) ?? Reflect.get(apis.llmAPI, name)) as Call

test('every function is spoken of here', () => {
  const { llm, llmAPI } = preload()
  expect([...functionsOf(llm), ...functionsOf(llmAPI)].sort()).toEqual([...Object.keys(WRONG), ...WITHOUT].sort())
})

describe.each(Object.keys(WRONG))('%s', (name) => {
  const cases = [...WRONG[name]!, ...NOBODYS.filter(([value]) => !(BY_ID.includes(name) && typeof value === 'string')), ...(OPTIONAL.includes(name) ? [] : [[null], []])]
  test('refuses what is wrong before it is sent, as VALIDATION_ERROR, and does not repeat it', async () => {
    const apis = preload()
    for (const args of cases) {
      const told = await asks(apis, name)(...args).then(
        (answer) => answer as { success: false; error: string; message: string; details: unknown },
        (error: unknown) => ({ ...llmErrorOf(error), success: false, error: llmErrorOf(error).code })
      )
      expect(told, `${name}(${typeof args[0]})`).toMatchObject({ success: false, error: 'VALIDATION_ERROR' })
      expect(told.message.length).toBeLessThan(2_000)
      expect(JSON.stringify(told)).not.toContain('xxx')
    }
    expect(apis.sent).toEqual([])
  })
})

test.each(WITHOUT)('%s sends no argument, whatever it is given', async (name) => {
  const apis = preload()
  await asks(apis, name)({ anything: 1 }, 2)
  expect(apis.sent).toHaveLength(1)
  expect(apis.sent[0]!.args).toEqual([])
})

test('every field that is wrong is named, with its path and its reason', async () => {
  const { llm } = preload()
  const request = { messages: [{ role: 'user', content: 'x' }, { role: 'x', content: 7 }], temperature: 5 }
  const { message } = llmErrorOf(await llm.llmInference(request as never).catch((error: unknown) => error))
  for (const path of ['messages[1].role', 'messages[1].content', 'temperature']) expect(message).toContain(path)
})

test('what is right is sent as it is, on the channel of its method', async () => {
  const apis = preload()
  await apis.llm.llmInference({ ...ask('hello'), temperature: 0, maxTokens: 1, tools: [], metadata: { a: [1] } })
  await apis.llmAPI.createProfile({ name: 'Local', providerType: 'llama.cpp', endpointUrl: null, apiKey: '', modelId: null, consentTimestamp: null })
  expect(apis.sent.map(({ channel }) => channel)).toEqual(['llm:inference', 'llm:profiles:create'])
  expect(apis.sent.every(({ channel }) => (WINDOW_METHODS as string[]).includes(channel))).toBe(true)
  expect(apis.sent[0]!.args[0]).toMatchObject({ temperature: 0, metadata: { a: [1] } })
})

test('an error keeps its code, its advice and its wait across the bridge, which keeps only its message', async () => {
  const { llm } = createApis({
    invoke: async () => ({ success: false, error: { code: 'RATE_LIMIT', message: 'Too many requests.', retryable: true, retryAfterMs: 1_200 }, timestamp: 1 }),
    on: () => undefined,
    removeListener: () => undefined
  })
  const crossed = await llm.llmGetStatus().catch((error: Error) => new Error(error.message))
  expect(llmErrorOf(crossed)).toEqual({ code: 'RATE_LIMIT', message: 'Too many requests.', retryable: true, retryAfterMs: 1_200 })
})

describe('a subscription', () => {
  test('gets the payload and no event object, until it is ended', () => {
    const { llm, tell } = preload()
    const heard: unknown[][] = []
    const end = llm.onLlmJobDone((...args: unknown[]) => heard.push(args))
    tell('llm:job:done', { jobId: 'a' })
    end()
    end()
    tell('llm:job:done', { jobId: 'b' })
    expect(heard).toEqual([[{ jobId: 'a' }]])
  })

  test.each([null, undefined, 'x', {}, 7])('%j is no listener', (value) => {
    const { llm } = preload()
    for (const name of Object.keys(llm).filter((key) => key.startsWith('on'))) {
      expect(() => (Reflect.get(llm, name) as Call)(value)).toThrow('A listener must be a function.')
    }
  })

  test('there is one for every event', () => {
    const { llm, tell } = preload()
    const heard = new Set<unknown>()
    for (const name of Object.keys(llm).filter((key) => key.startsWith('on'))) (Reflect.get(llm, name) as (listen: (event: unknown) => void) => void)((event) => heard.add(event))
    for (const channel of [...EVENT_CHANNELS, SIDECAR_STATE_EVENT]) tell(channel, { channel })
    expect(heard.size).toBe(EVENT_CHANNELS.length + 1)
  })
})

test('a page is given functions and nothing else', () => {
  const exposed: Record<string, object> = {}
  exposeLlm(
    { exposeInMainWorld: (name, api) => { exposed[name] = api as object } },
    { invoke: async () => undefined, on: () => undefined, removeListener: () => undefined }
  )
  expect(Object.keys(exposed)).toEqual(['llm', 'llmAPI'])
  for (const api of Object.values(exposed)) expect(Object.values(api).every((value) => typeof value === 'function')).toBe(true)
})
