/**
 * What was asked for, by name and type: `window.llm` and `window.llmAPI` give at least that. It only has to compile.
 *
 * Where they give more (a session that names nobody, before it was answered, has null; `tool_calls` ends an answer, too),
 * the type here is as wide as that.
 */
import type { LlmApi, LlmApiProfiles } from '../../src/shared/api'

interface Said {
  role: 'user' | 'assistant' | 'system'
  content: string
}
interface Told {
  inferenceId: string
  sessionId?: string
}
type On<E> = (callback: (event: E) => void) => () => void

interface LlmAskedFor {
  llmInference(options: {
    messages: Said[]
    providerId: string
    modelId?: string
    systemPrompt?: string
    temperature?: number
    maxTokens?: number
    stream?: boolean
    timeoutMs?: number
    metadata?: Record<string, unknown>
  }): Promise<string>
  llmCancel(inferenceId: string): Promise<boolean>
  llmGetStatus(): Promise<Record<'totalSessions' | 'activeSessions' | 'activeInferences' | 'totalInferences' | 'totalTokens', number>>
  llmCreateSession(config: {
    sessionId: string
    providerId: string
    modelId?: string
    systemPrompt?: string
    temperature?: number
    maxTokens?: number
    metadata?: Record<string, unknown>
  }): Promise<{
    sessionId: string
    providerId: string | null
    modelId: string | null
    createdAt: number
    lastActivity: number
    isActive: boolean
    messageCount: number
    totalTokens: number
    metadata?: Record<string, unknown>
  }>
  llmDestroySession(sessionId: string): Promise<boolean>
  llmRunSession(options: { sessionId: string; messages: Said[]; stream?: boolean; temperature?: number; maxTokens?: number; timeoutMs?: number }): Promise<string>
  onLlmToken: On<Told & { token: string; index: number }>
  onLlmThinking: On<Told & { status: string; progress?: number }>
  onLlmDone: On<Told & { totalTokens: number; cancelled?: boolean; finishReason?: 'stop' | 'length' | 'content_filter' | 'tool_calls' }>
  onLlmError: On<Told & { error: string; code: string; retryable: boolean }>
}

interface ProfileAskedFor {
  id: string
  name: string
  providerType: string
  endpointUrl: string | null
  apiKey: string | null
  modelId: string | null
  isActive: boolean
  consentTimestamp: number | null
  createdAt: number
  modifiedAt: number
}
type Answered<T> = Promise<{ success: true; data: T; timestamp: number } | { success: false; error: string; message: string; details?: unknown; timestamp: number }>
interface ProfilesAskedFor {
  listProfiles(): Answered<{ profiles: ProfileAskedFor[]; encryptionAvailable: boolean; activeProfileId: string | null }>
  createProfile(payload: {
    name: string
    providerType: 'llama.cpp' | 'azure'
    endpointUrl: string
    apiKey: string
    modelId: string | null
    consentTimestamp: number | null
  }): Answered<{ profile: ProfileAskedFor; warning?: string }>
  updateProfile(payload: { id: string; name?: string; endpointUrl?: string; apiKey?: string; modelId?: string | null; consentTimestamp?: number | null }): Answered<{
    profile: ProfileAskedFor
    warning?: string
  }>
  deleteProfile(payload: { id: string; activateAlternateId?: string }): Answered<{ deletedId: string; newActiveProfileId: string | null; requiresUserSelection: boolean }>
  activateProfile(payload: { id: string }): Answered<{ activeProfile: ProfileAskedFor; deactivatedProfileId: string | null }>
  testPrompt(payload: { profileId?: string; promptText?: string }): Answered<{
    profileId: string
    profileName: string
    providerType: string
    success: boolean
    promptText: string
    responseText: string | null
    modelName: string | null
    latencyMs: number | null
    totalTimeMs: number
    errorCode: string | null
    errorMessage: string | null
    timestamp: number
  }>
  discoverProfiles(payload: { force?: boolean }): Answered<{
    discovered: boolean
    discoveredUrl: string | null
    profileCreated: boolean
    profileId: string | null
    probedPorts: number[]
  }>
}

export const llm = (given: LlmApi): LlmAskedFor => given
export const llmAPI = (given: LlmApiProfiles): ProfilesAskedFor => given
