/**
 * `window.llm` and `window.llmAPI`, over any transport that has Electron's shape.
 *
 * Law: a page gets functions and plain data, never `ipcRenderer`, an event object or a channel's name. What is wrong is
 * refused before it is sent. A promise rejects with an `LlmError`, whose message survives the context bridge.
 */
import type { LlmApi, LlmApiProfiles, Unsubscribe } from '../shared/api'
import {
  EVENT_CHANNELS, SIDECAR_GET_STATE, SIDECAR_RESTART, SIDECAR_STATE_EVENT, type EventChannel, type WindowMethod
} from '../shared/channels'
import type { IpcError, IpcResult, ProfileResponse } from '../shared/ipc-result'
import { Listeners } from '../shared/listeners'
import { LlmError, llmErrorOf } from '../shared/llm-error'
import { REQUESTS } from '../shared/requests'
import type { ContextBridgeLike, IpcRendererLike } from '../shared/transport'
import { EventGate } from './event-gate'
import { takings } from './takings'

export function exposeLlm(bridge: ContextBridgeLike, ipc: IpcRendererLike): void {
  const { llm, llmAPI } = createApis(ipc)
  bridge.exposeInMainWorld('llm', llm)
  bridge.exposeInMainWorld('llmAPI', llmAPI)
}

export function createApis(ipc: IpcRendererLike): { llm: LlmApi; llmAPI: LlmApiProfiles } {
  const gate = new EventGate()
  const events = subscriptions(ipc, gate)

  const answer = async (channel: string, args: unknown[]): Promise<IpcResult<unknown>> =>
    (await ipc.invoke(channel, ...args)) as IpcResult<unknown>

  const call = async <T>(method: WindowMethod, ...args: unknown[]): Promise<T> => {
    REQUESTS[method](args)
    return unwrap<T>(await answer(method, args))
  }

  const profiles = async <T>(method: WindowMethod, ...args: unknown[]): Promise<ProfileResponse<T>> => {
    try {
      REQUESTS[method](args)
      return enveloped<T>(await answer(method, args))
    } catch (thrown) {
      return refusal(thrown instanceof LlmError ? thrown.toIpc() : llmErrorOf(thrown), Date.now())
    }
  }

  const llm: LlmApi = {
    llmInference: (request) => gate.started(call('llm:inference', request)),
    llmCancel: (inferenceId) => call('llm:cancel', inferenceId),
    llmGetStatus: () => call('llm:get-status'),
    llmAttachInference: (inferenceId, fromSeq) => call('llm:inference:attach', inferenceId, fromSeq),
    llmGenerateText: (request) => call('llm:generate-text', request),
    llmChatCompletions: (request, requestId) => call('llm:chat:completions', request, requestId),

    llmCreateSession: (config) => call('llm:session:create', config),
    llmDestroySession: (sessionId) => call('llm:session:destroy', sessionId),
    llmRunSession: (options) => gate.started(call('llm:session:run', options)),
    llmListSessions: (page) => call('llm:session:list', page),
    llmGetSession: (sessionId) => call('llm:session:get', sessionId),
    llmGetSessionHistory: (page) => call('llm:session:history', page),
    llmForkSession: (fork) => call('llm:session:fork', fork),

    llmListProviders: () => call('llm:providers:list'),
    llmListModels: (of) => call('llm:models:list', of),

    llmSubmitJob: (job) => call('llm:job:submit', job),
    llmGetJob: (jobId) => call('llm:job:get', jobId),
    llmListJobs: (page) => call('llm:job:list', page),
    llmCancelJob: (jobId) => call('llm:job:cancel', jobId),
    llmGetJobResult: (page) => call('llm:job:result', page),

    llmGetUsageSummary: (query) => call('llm:usage:summary', query),
    llmListUsage: (query) => call('llm:usage:list', query),
    llmGetBudgets: () => call('llm:budget:get'),
    llmSetBudget: (budget) => call('llm:budget:set', budget),
    llmListAudit: (query) => call('llm:audit:list', query),
    llmGetVaultStatus: () => call('llm:vault:status'),

    llmGetSidecarState: async () => unwrap(await answer(SIDECAR_GET_STATE, [])),
    llmRestartSidecar: async () => unwrap(await answer(SIDECAR_RESTART, [])),

    onLlmToken: events('llm:token'),
    onLlmThinking: events('llm:thinking'),
    onLlmToolCall: events('llm:tool-call'),
    onLlmProgress: events('llm:progress'),
    onLlmDone: events('llm:done'),
    onLlmError: events('llm:error'),
    onLlmChatChunk: events('llm:chat:chunk'),
    onLlmJobProgress: events('llm:job:progress'),
    onLlmJobDone: events('llm:job:done'),
    onLlmJobError: events('llm:job:error'),
    onSidecarState: events(SIDECAR_STATE_EVENT)
  }

  const llmAPI: LlmApiProfiles = {
    listProfiles: () => profiles('llm:profiles:list'),
    createProfile: (payload) => profiles('llm:profiles:create', payload),
    updateProfile: (payload) => profiles('llm:profiles:update', payload),
    deleteProfile: (payload) => profiles('llm:profiles:delete', payload),
    activateProfile: (payload) => profiles('llm:profiles:activate', payload),
    testPrompt: (payload) => profiles('llm:profiles:test', payload),
    discoverProfiles: (payload) => profiles('llm:profiles:discover', payload)
  }

  return { llm, llmAPI }
}

/** One listener of the transport per channel; a page's callbacks come and go behind it. */
function subscriptions(ipc: IpcRendererLike, gate: EventGate) {
  const pages = new Map<string, Listeners<[unknown]>>()
  const taken = takings(ipc)
  for (const channel of [...EVENT_CHANNELS, SIDECAR_STATE_EVENT]) {
    const page = new Listeners<[unknown]>()
    const terminal = channel === 'llm:done' || channel === 'llm:error'
    pages.set(channel, page)
    ipc.on(channel, (_event, payload: { inferenceId?: string }) => {
      taken()
      if (payload.inferenceId === undefined) page.tell(payload)
      else gate.pass(payload.inferenceId, terminal, () => page.tell(payload))
    })
  }
  return <E>(channel: EventChannel | typeof SIDECAR_STATE_EVENT) =>
    (callback: (event: E) => void): Unsubscribe => {
      if (typeof callback !== 'function') throw new TypeError('A listener must be a function.')
      return pages.get(channel)!.add(callback as (event: unknown) => void)
    }
}

function unwrap<T>(result: IpcResult<unknown>): T {
  if (result.success) return result.data as T
  throw new LlmError(result.error)
}

function enveloped<T>(result: IpcResult<unknown>): ProfileResponse<T> {
  return result.success ? { ...result, data: result.data as T } : refusal(result.error, result.timestamp)
}

function refusal({ code, ...rest }: IpcError, timestamp: number): ProfileResponse<never> {
  return { success: false, error: code, ...rest, timestamp }
}
