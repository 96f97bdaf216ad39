/** What the preload adds to every page: `window.llm` and `window.llmAPI`. */
import type { LlmApi, LlmApiProfiles } from '../shared/api'

declare global {
  interface Window {
    llm: LlmApi
    llmAPI: LlmApiProfiles
  }
}
