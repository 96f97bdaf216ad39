/**
 * What a window sees: `window.llm` (answers, sessions, models, jobs, usage, the sidecar itself) and `window.llmAPI`
 * (profiles).
 *
 * Law: `window.llm` resolves with the data or rejects with an `Error` that `llmErrorOf` reads; `window.llmAPI` always
 * resolves, with an envelope. Every `on…` returns the function that ends the subscription. A window only gets events of
 * what it started itself, and of what no open window owns.
 */
import type {
  ActivatedProfile, AttachResult, AuditList, AuditListParams, BudgetList, ChatChunkEvent, ChatCompletion,
  ChatCompletionParams, CreateProfileParams, DeletedProfile, DeleteProfileParams, DiscoverParams, Discovery, DoneEvent,
  ErrorEvent, GeneratedText, GenerateTextParams, InferenceParams, JobDoneEvent, JobErrorEvent, JobInfo, JobList,
  JobListParams, JobProgressEvent, JobResult, JobResultParams, ModelList, ModelListParams, Profile, ProfileList,
  ProfileParams, ProgressEvent, ProviderList, ServiceStatus, SessionConfig, SessionForkParams, SessionHistory,
  SessionHistoryParams, SessionInfo, SessionList, SessionListParams, SessionRunParams, SetBudgetParams, StoredProfile,
  SubmitJobParams, TestPromptParams, TestPromptResult, ThinkingEvent, TokenEvent, ToolCallEvent, UpdateProfileParams,
  UsageList, UsageListParams, UsageSummary, UsageSummaryParams, VaultStatus
} from './protocol'
import type { HostErrorCode, ProfileResponse } from './ipc-result'

/** The host says which window asks; a window cannot. */
type FromWindow<P> = Omit<P, 'windowId'>

export type LlmInferenceRequest = FromWindow<InferenceParams>
export type LlmSessionConfig = FromWindow<SessionConfig>
export type LlmSessionRunOptions = FromWindow<SessionRunParams>
export type LlmSessionInfo = SessionInfo
export type LlmServiceStatus = ServiceStatus
export type LlmGenerateTextRequest = FromWindow<GenerateTextParams>
export type LlmChatCompletionRequest = FromWindow<ChatCompletionParams>
export type LlmJobRequest = FromWindow<SubmitJobParams>

export type LlmTokenEvent = TokenEvent
export type LlmThinkingEvent = ThinkingEvent
export type LlmToolCallEvent = ToolCallEvent
export type LlmProgressEvent = ProgressEvent
export type LlmDoneEvent = DoneEvent
/** Also what the host says of an answer whose sidecar ended: `SIDECAR_EXITED`. */
export type LlmErrorEvent = Omit<ErrorEvent, 'code'> & { code: HostErrorCode }
/** `requestId`: as it was given to `llmChatCompletions`. */
export type LlmChatChunkEvent = Omit<ChatChunkEvent, 'requestId'> & { requestId: string }
export type LlmJobProgressEvent = JobProgressEvent
export type LlmJobDoneEvent = JobDoneEvent
export type LlmJobErrorEvent = JobErrorEvent

export type LLMProfile = Profile
type OrNull<P, K extends keyof P> = Omit<P, K> & { [F in K]?: P[F] | null }
/** Null is as good as nothing; an empty `apiKey` as well. */
export type CreateProfilePayload = OrNull<CreateProfileParams, 'endpointUrl' | 'apiKey' | 'modelId' | 'consentTimestamp'>
export type UpdateProfilePayload = UpdateProfileParams
export type DeleteProfilePayload = DeleteProfileParams
export type ActivateProfilePayload = ProfileParams
export type TestPromptPayload = TestPromptParams
export type DiscoverProfilesPayload = DiscoverParams

/** Why the sidecar is not there, and what the user can do about it. */
export interface SidecarFailure {
  code: HostErrorCode
  /** What happened, in a sentence. */
  message: string
  /** What to do now, in a sentence. */
  advice: string
  /** The last lines that the process wrote as it broke, where there are some. */
  lastLines?: string[]
}

/** How the sidecar is. Nothing else works unless it is `ready`; requests made while it (re)starts wait for it. */
export type SidecarState =
  /** `slow`: it takes longer than usual. */
  | { state: 'starting'; slow: boolean }
  /** `keyWarning`: why stored API keys are not encrypted, where they are not. */
  | { state: 'ready'; version: string; providers: string[]; encryptionAvailable: boolean; keyWarning: string | null }
  | { state: 'restarting'; attempt: number; retryInMs: number; failure: SidecarFailure }
  /** It is not tried again, unless by `llmRestartSidecar`. */
  | { state: 'failed'; failure: SidecarFailure }
  /** The app is about to end. */
  | { state: 'stopped' }

export type Unsubscribe = () => void
type Listen<E> = (callback: (event: E) => void) => Unsubscribe

/** `window.llm`. */
export interface LlmApi {
  /** Start one answer; resolves with its inference id. */
  llmInference(request: LlmInferenceRequest): Promise<string>
  /** False: it was unknown or already over. */
  llmCancel(inferenceId: string): Promise<boolean>
  llmGetStatus(): Promise<LlmServiceStatus>
  /** The events of an answer of this window from `fromSeq` on; live ones follow. */
  llmAttachInference(inferenceId: string, fromSeq: number): Promise<AttachResult>
  llmGenerateText(request: LlmGenerateTextRequest): Promise<GeneratedText>
  /** OpenAI's shapes. With `request.stream`, chunks come to `onLlmChatChunk` under `requestId` first. */
  llmChatCompletions(request: LlmChatCompletionRequest, requestId?: string): Promise<ChatCompletion>

  llmCreateSession(config: LlmSessionConfig): Promise<LlmSessionInfo>
  llmDestroySession(sessionId: string): Promise<boolean>
  /** Resolves with the inference id. `messages` are the new ones of this turn. */
  llmRunSession(options: LlmSessionRunOptions): Promise<string>
  /** Without those that another open window uses. */
  llmListSessions(page?: SessionListParams): Promise<SessionList>
  llmGetSession(sessionId: string): Promise<LlmSessionInfo>
  llmGetSessionHistory(page: SessionHistoryParams): Promise<SessionHistory>
  llmForkSession(fork: SessionForkParams): Promise<LlmSessionInfo>

  llmListProviders(): Promise<ProviderList>
  llmListModels(of?: ModelListParams): Promise<ModelList>

  /** Resolves with the job id. */
  llmSubmitJob(job: LlmJobRequest): Promise<string>
  llmGetJob(jobId: string): Promise<JobInfo>
  /** Without those of another open window. */
  llmListJobs(page?: JobListParams): Promise<JobList>
  llmCancelJob(jobId: string): Promise<boolean>
  llmGetJobResult(page: JobResultParams): Promise<JobResult>

  llmGetUsageSummary(query?: UsageSummaryParams): Promise<UsageSummary>
  llmListUsage(query?: UsageListParams): Promise<UsageList>
  llmGetBudgets(): Promise<BudgetList>
  llmSetBudget(budget: SetBudgetParams): Promise<BudgetList>
  llmListAudit(query?: AuditListParams): Promise<AuditList>
  llmGetVaultStatus(): Promise<VaultStatus>

  llmGetSidecarState(): Promise<SidecarState>
  /** Try again after `failed`, or start afresh. Resolves at once; `onSidecarState` tells what comes of it. */
  llmRestartSidecar(): Promise<void>

  onLlmToken: Listen<LlmTokenEvent>
  onLlmThinking: Listen<LlmThinkingEvent>
  onLlmToolCall: Listen<LlmToolCallEvent>
  onLlmProgress: Listen<LlmProgressEvent>
  onLlmDone: Listen<LlmDoneEvent>
  onLlmError: Listen<LlmErrorEvent>
  onLlmChatChunk: Listen<LlmChatChunkEvent>
  onLlmJobProgress: Listen<LlmJobProgressEvent>
  onLlmJobDone: Listen<LlmJobDoneEvent>
  onLlmJobError: Listen<LlmJobErrorEvent>
  /** Called with every change; ask `llmGetSidecarState` for how it is now. */
  onSidecarState: Listen<SidecarState>
}

/** `window.llmAPI`: profiles. A key goes in and never comes out. */
export interface LlmApiProfiles {
  listProfiles(): Promise<ProfileResponse<ProfileList>>
  createProfile(payload: CreateProfilePayload): Promise<ProfileResponse<StoredProfile>>
  updateProfile(payload: UpdateProfilePayload): Promise<ProfileResponse<StoredProfile>>
  deleteProfile(payload: DeleteProfilePayload): Promise<ProfileResponse<DeletedProfile>>
  activateProfile(payload: ActivateProfilePayload): Promise<ProfileResponse<ActivatedProfile>>
  testPrompt(payload?: TestPromptPayload): Promise<ProfileResponse<TestPromptResult>>
  discoverProfiles(payload?: DiscoverProfilesPayload): Promise<ProfileResponse<Discovery>>
}
