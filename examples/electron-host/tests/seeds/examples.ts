/** The seeds' uses of the API, in other words: they only have to compile. */
import type { LlmErrorEvent } from '../../src/shared/api'

export async function chat(message: string, show: (text: string) => void): Promise<void> {
  const inferenceId = await window.llm.llmInference({
    messages: [{ role: 'user', content: message }], providerId: 'openai', stream: true
  })
  const endTokens = window.llm.onLlmToken((event) => { if (event.inferenceId === inferenceId) show(event.token) })
  const endDone = window.llm.onLlmDone((event) => {
    if (event.inferenceId !== inferenceId) return
    endTokens()
    endDone()
  })
}

export async function conversation(): Promise<() => Promise<boolean>> {
  const session = await window.llm.llmCreateSession({
    sessionId: `conv-${Date.now()}`, providerId: 'openai', systemPrompt: 'Be brief.'
  })
  await window.llm.llmRunSession({
    sessionId: session.sessionId, messages: [{ role: 'user', content: 'Hello' }], stream: true
  })
  return () => window.llm.llmDestroySession(session.sessionId)
}

export function retrying(again: (event: LlmErrorEvent) => void): () => void {
  return window.llm.onLlmError((event) => {
    if (event.retryable) setTimeout(() => again(event), event.retryAfterMs ?? 1_000)
  })
}

export async function firstProfile(): Promise<string | null> {
  const made = await window.llmAPI.createProfile({
    name: 'Local', providerType: 'llama.cpp', endpointUrl: 'http://localhost:8080', apiKey: '', modelId: null,
    consentTimestamp: null
  })
  return made.success ? made.data.profile.id : null
}
