// Generated from llm_sidecar/messages/catalogue.py by `llm-sidecar schema`; do not edit.

export const PROTOCOL_VERSION = 1 as const;

/** `error.data.code` of a response, and `code` of `llm:error`. */
export type ErrorCode =
  | "PARSE_ERROR"
  | "INVALID_MESSAGE"
  | "MESSAGE_TOO_LARGE"
  | "DUPLICATE_ID"
  | "METHOD_NOT_FOUND"
  | "ALREADY_INITIALIZED"
  | "INTERNAL_ERROR"
  | "VALIDATION_ERROR"
  | "API_KEY_MISSING"
  | "INVALID_PROVIDER"
  | "INVALID_MODEL"
  | "NETWORK_ERROR"
  | "AUTH_ERROR"
  | "RATE_LIMIT"
  | "INSUFFICIENT_QUOTA"
  | "INVALID_REQUEST"
  | "CONTEXT_LENGTH_EXCEEDED"
  | "SERVER_ERROR"
  | "PROVIDER_OVERLOADED"
  | "STREAM_TRUNCATED"
  | "PROVIDER_PROTOCOL_ERROR"
  | "TIMEOUT"
  | "FIRST_TOKEN_TIMEOUT"
  | "STREAM_TIMEOUT"
  | "OVERLOADED"
  | "SESSION_LIMIT"
  | "BUDGET_EXCEEDED"
  | "SESSION_NOT_FOUND"
  | "SESSION_EXISTS"
  | "SESSION_BUSY"
  | "INFERENCE_NOT_FOUND"
  | "INFERENCE_EXISTS"
  | "REPLAY_GAP"
  | "SHUTTING_DOWN"
  | "CANCELLED"
  | "PROFILE_NOT_FOUND"
  | "NO_ACTIVE_PROFILE"
  | "ALTERNATE_NOT_FOUND"
  | "DISCOVERY_ERROR"
  | "VAULT_READ_ERROR"
  | "VAULT_WRITE_ERROR"
  | "VAULT_LOCKED"
  | "VAULT_WRONG_KEY"
  | "VAULT_CORRUPT"
  | "VAULT_TAMPERED"
  | "VAULT_NEWER"
  | "DATA_DIR_LOCKED"
  | "STORAGE_READ_ERROR"
  | "STORAGE_WRITE_ERROR"
  | "STORAGE_CORRUPT"
  | "STORAGE_NEWER"
  | "JOB_NOT_FOUND"
  | "JOB_EXISTS"
  | "JOB_INTERRUPTED"
  | "SERVICE_NOT_FOUND";

/** `error` of a response. */
export interface ErrorObject {
  code: number;
  message: string;
  data: ErrorData;
}

/** `error.data`: the stable code, whether trying again can help, and when (epoch ms) it happened. */
export interface ErrorData {
  code: ErrorCode;
  retryable: boolean;
  retryAfterMs?: number;
  details?: Record<string, unknown>;
  timestamp: number;
}

/** The handshake. Optional; once; first. Fields the sidecar does not know are ignored. */
export interface InitializeParams {
  protocolVersion: number;
  client?: ClientInfo | null;
  /**
   * Base64 of 32 bytes.
   * at most 200 characters
   */
  vaultKey?: string | null;
  /**
   * The host's process; the sidecar ends when it does, also where somebody else still holds the pipe.
   * 1 to 2,147,483,647
   */
  processId?: number | null;
  tokenBatching?: TokenBatching | null;
  /**
   * Provider ids whose code is loaded in the background now, so that their first answer comes sooner.
   * at most 50 items
   */
  prewarm?: string[] | null;
  /** Changes to the limits in force, by their camelCase names. */
  limits?: Record<string, unknown> | null;
  capabilities?: Record<string, unknown> | null;
}

/** Who the host is, for the log. */
export interface ClientInfo {
  /** at most 200 characters */
  name: string;
  /** at most 100 characters */
  version?: string | null;
}

/** Merge tokens for up to `maxDelayMs`, or until `maxTokens` wait. The first token of an answer never waits. */
export interface TokenBatching {
  /** 0 to 1,000; default `0` */
  maxDelayMs?: number;
  /** 0 to 100,000; default `0` */
  maxTokens?: number;
}

export interface InitializeResult {
  protocolVersion: number;
  server: ServerInfo;
  capabilities: Record<string, unknown>;
  encryption: EncryptionState;
  limits: Record<string, number>;
  providers: string[];
}

export interface ServerInfo {
  name: string;
  version: string;
}

/** Whether stored keys can be encrypted, and where the key comes from (null: nowhere). */
export interface EncryptionState {
  available: boolean;
  source: string | null;
}

/** A method without params: `{}`, `[]` or no `params` at all. */
export type NoParams = Record<string, never>;

/** `{}`. */
export type Empty = Record<string, never>;

/** `deadlineMs`: how long running work may go on before it ends as `SHUTTING_DOWN`. */
export interface ShutdownParams {
  /** 0 to 600,000 */
  deadlineMs?: number | null;
}

/** The id of the request to cancel; it still gets its one response, `CANCELLED`. */
export interface CancelRequestParams {
  id: string | number;
}

/** `llm:inference`: one streamed answer. */
export interface InferenceParams {
  /**
   * The host's own name for it; made here where it is left out.
   * 1 to 100 characters
   */
  inferenceId?: string | null;
  /**
   * A stored profile. Where neither it nor a provider is named: the active one.
   * 1 to 100 characters
   */
  profileId?: string | null;
  /**
   * One of `llm:providers:list`, with the key and the address of the environment.
   * 1 to 100 characters
   */
  providerId?: string | null;
  /**
   * Default: the profile's, else the provider's.
   * 1 to 300 characters
   */
  modelId?: string | null;
  /**
   * Said to the model before the messages.
   * at most 100,000 characters
   */
  systemPrompt?: string | null;
  /**
   * Left to the model where it is not named.
   * 0 to 2
   */
  temperature?: number | null;
  /**
   * The most the answer may have.
   * 1 to 100,000
   */
  maxTokens?: number | null;
  /** 0 to 1 */
  topP?: number | null;
  /**
   * Texts before which the answer ends.
   * at most 16 items; each 1 to 500 characters
   */
  stop?: string[] | null;
  /**
   * For the same answer again, as far as the provider can.
   * -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807
   */
  seed?: number | null;
  /**
   * False: no `llm:token`; `llm:done` has the whole `text`.
   * default `true`
   */
  stream?: boolean;
  /**
   * For the whole of it, retries included. Default: the limit `inferenceTimeoutMs`.
   * 1,000 to 600,000
   */
  timeoutMs?: number | null;
  /**
   * Until the first content of an attempt. Default: the limit `firstTokenTimeoutMs`.
   * 1 to 600,000
   */
  firstTokenTimeoutMs?: number | null;
  /**
   * Between two pieces. Default: the limit `chunkTimeoutMs`.
   * 1 to 600,000
   */
  chunkTimeoutMs?: number | null;
  /**
   * What the model may call; the host does what is called and sends the results as messages.
   * at most 128 items
   */
  tools?: ToolDefinition[] | null;
  /** Whether it may, must or must not call one, or which. */
  toolChoice?: "auto" | "none" | "required" | NamedTool | null;
  /** Text, any JSON object, or JSON that fits a schema. */
  responseFormat?: TextFormat | JsonFormat | JsonSchemaFormat | null;
  reasoning?: ReasoningOptions | null;
  retry?: RetryOptions | null;
  /**
   * Asked in this order where one fails before its first content; a provider's id may stand for a profile.
   * at most 10 items; each at most 100 characters
   */
  fallbackProfileIds?: string[] | null;
  /**
   * The same request is answered from memory for an hour.
   * default `false`
   */
  cache?: boolean;
  /**
   * Wait for a slot where all are taken, instead of `RATE_LIMIT`.
   * default `false`
   */
  queue?: boolean;
  /**
   * The window that its events are for; `llm:window:closed` cancels it.
   * 1 to 100 characters
   */
  windowId?: string | null;
  /** The host's own; no provider sees it. */
  metadata?: Record<string, unknown> | null;
  /** 1 to 100 items */
  messages: Message[];
}

/** A function the model may call; `parameters` is a JSON Schema object. */
export interface ToolDefinition {
  /**
   * 1 to 64 letters, digits, `_` or `-`
   * matches `^[A-Za-z0-9_-]{1,64}$`
   */
  name: string;
  /** at most 10,000 characters */
  description?: string | null;
  /** A JSON Schema of the arguments. */
  parameters?: Record<string, unknown> | null;
  /** The arguments must fit it, where the provider can see to that. */
  strict?: boolean | null;
}

/** `toolChoice`: this tool and no other. */
export interface NamedTool {
  /** 1 to 64 characters */
  name: string;
}

/** Free text. */
export interface TextFormat {
  type: "text";
}

/** Any JSON object. */
export interface JsonFormat {
  type: "json";
}

/** JSON that fits `schema`. */
export interface JsonSchemaFormat {
  type: "jsonSchema";
  /**
   * 1 to 64 letters, digits, `_` or `-`
   * matches `^[A-Za-z0-9_-]{1,64}$`
   */
  name: string;
  schema: Record<string, unknown>;
  strict?: boolean | null;
}

/** How much a reasoning model should think; providers take what they know of it. */
export interface ReasoningOptions {
  effort?: "high" | "low" | "medium" | null;
  /** 1 to 1,000,000 */
  budgetTokens?: number | null;
}

/** Retries before the first content; 0 turns them off. */
export interface RetryOptions {
  /** 0 to 10; default `2` */
  maxRetries?: number;
}

/**
 * One turn. An assistant turn may carry `toolCalls`; a tool turn answers one by `toolCallId`.
 *
 * `providerState` is opaque: what a provider wants to see again (signatures), as an `llm:done` gave it.
 */
export interface Message {
  role: "assistant" | "system" | "tool" | "user";
  /** at most 100,000 characters; at most 100 items */
  content: string | Array<TextPart | ImagePart>;
  /** at most 128 items */
  toolCalls?: ToolCall[] | null;
  /** at most 16,384 characters */
  toolCallId?: string | null;
  providerState?: Record<string, unknown> | null;
}

/** `{type: "text", text}`, at most 100,000 characters. */
export interface TextPart {
  type: "text";
  /** at most 100,000 characters */
  text: string;
}

/** An image by value (`mediaType` and base64 `data`) or by `url`, never both. */
export interface ImagePart {
  type: "image";
  /** matches `^image/[a-z0-9.+-]{1,40}$` */
  mediaType?: string | null;
  data?: string | null;
  /** 1 to 8,192 characters */
  url?: string | null;
}

/** A call the model made. `arguments` is JSON text, exactly as the model wrote it (it may be invalid JSON). */
export interface ToolCall {
  /** at most 16,384 characters */
  id: string;
  /** 1 to 200 characters */
  name: string;
  arguments: string;
}

export interface InferenceAccepted {
  inferenceId: string;
}

export interface CancelParams {
  /** 1 to 100 characters */
  inferenceId: string;
}

/** `success` is false where the thing named was unknown or already over. */
export interface Success {
  success: boolean;
}

/** Ask for the events of an inference from `fromSeq` on. */
export interface AttachParams {
  /** 1 to 100 characters */
  inferenceId: string;
  /** at least 0 */
  fromSeq: number;
}

/** Past events in order, whether the last is the terminal, and the `seq` of the first event to follow live. */
export interface AttachResult {
  events: AttachedEvent[];
  terminal: boolean;
  nextSeq: number;
}

/** One past notification: its method and its params, as first sent (tokens may be merged differently). */
export interface AttachedEvent {
  method: string;
  params: unknown;
}

/** A prompt, and who is to answer it. `maxTokens` holds for the model's reasoning, too. */
export interface GenerateTextParams {
  /** 1 to 100,000 characters */
  prompt: string;
  /** 1 to 100 characters */
  providerId?: string | null;
  /** 1 to 100 characters */
  profileId?: string | null;
  /** 1 to 300 characters */
  model?: string | null;
  /** at most 100,000 characters */
  systemPrompt?: string | null;
  /** 1 to 100,000; default `1000` */
  maxTokens?: number;
  /**
   * Left out: 0.7, or the model's own where it takes no other.
   * 0 to 2
   */
  temperature?: number | null;
  /** 1,000 to 600,000 */
  timeoutMs?: number | null;
  /** default `false` */
  cache?: boolean;
  /** default `false` */
  queue?: boolean;
  /** 1 to 100 characters */
  windowId?: string | null;
}

/** The whole text, how it ended, and what it took. */
export interface GeneratedText {
  text: string;
  usage: Usage;
  finishReason: "content_filter" | "length" | "stop" | "tool_calls";
  /** US dollars; null where the price is not known. */
  cost: number | null;
  providerId: string;
  modelId: string;
  profileId?: string;
  /** default `false` */
  cached?: boolean;
}

/**
 * Tokens of one inference. `source`: `reported` by the provider; `estimated` here, where it said nothing; `partial`
 * where the stream ended before the provider's own figures (what was reported is kept, the rest estimated).
 *
 * Estimated is: one token per four bytes of UTF-8, but at least one per delta received; four per message; 1,000 per
 * image. `promptTokens` includes cached ones, `completionTokens` includes reasoning, whoever the provider is.
 */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  /** Read from the provider's prompt cache. */
  cachedPromptTokens?: number;
  /** Written to the provider's prompt cache. */
  cacheWriteTokens?: number;
  reasoningTokens?: number;
  source: "estimated" | "partial" | "reported";
}

/** A request, and who is to answer it: a profile, else a provider, else a named service, else the active profile. */
export interface ChatCompletionParams {
  request: ChatCompletionRequest;
  /**
   * The name of a service; a provider's id is the name of that provider.
   * 1 to 100 characters
   */
  service?: string | null;
  /** 1 to 100 characters */
  providerId?: string | null;
  /** 1 to 100 characters */
  profileId?: string | null;
  /** 1,000 to 600,000 */
  timeoutMs?: number | null;
  /** default `false` */
  queue?: boolean;
  /** 1 to 100 characters */
  windowId?: string | null;
}

/**
 * OpenAI's request. Without a `model`, it is the provider's default.
 *
 * Honoured are `messages` to `reasoning_effort`. The rest is accepted where it makes no difference to the answer, and
 * otherwise refused by name: one answer, no log probabilities, penalties or audio, no functions but `tools`.
 */
export interface ChatCompletionRequest {
  /** 1 to 100 items */
  messages: Array<ChatSystemMessage | ChatDeveloperMessage | ChatUserMessage | ChatAssistantMessage | ChatToolMessage>;
  /** 1 to 300 characters */
  model?: string | null;
  stream?: boolean | null;
  stream_options?: ChatStreamOptions | null;
  /** 0 to 2 */
  temperature?: number | null;
  /** 0 to 1 */
  top_p?: number | null;
  /** 1 to 100,000 */
  max_completion_tokens?: number | null;
  /** 1 to 100,000 */
  max_tokens?: number | null;
  /** 1 to 500 characters; at most 16 items; each 1 to 500 characters */
  stop?: string | string[] | null;
  /** -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807 */
  seed?: number | null;
  /** at most 128 items */
  tools?: ChatTool[] | null;
  tool_choice?: "auto" | "none" | "required" | ChatFunctionChoice | ChatAllowedToolsChoice | null;
  response_format?: ChatTextFormat | ChatJsonFormat | ChatJsonSchemaFormat | null;
  reasoning_effort?: "high" | "low" | "medium" | null;
  metadata?: Record<string, unknown> | null;
  prompt_cache_key?: string | null;
  prompt_cache_options?: Record<string, unknown> | null;
  prompt_cache_retention?: string | null;
  safety_identifier?: string | null;
  user?: string | null;
  /** 0 to 0 */
  frequency_penalty?: number | null;
  logit_bias?: Record<string, unknown> | null;
  logprobs?: boolean | null;
  modalities?: "text"[] | null;
  n?: 1 | null;
  parallel_tool_calls?: boolean | null;
  /** 0 to 0 */
  presence_penalty?: number | null;
  service_tier?: "auto" | "default" | null;
  store?: boolean | null;
  top_logprobs?: 0 | null;
  verbosity?: "medium" | null;
  audio?: Record<string, unknown> | null;
  function_call?: string | Record<string, unknown> | null;
  functions?: unknown[] | null;
  moderation?: Record<string, unknown> | null;
  prediction?: Record<string, unknown> | null;
  web_search_options?: Record<string, unknown> | null;
}

export interface ChatSystemMessage {
  role: "system";
  /** at most 100,000 characters; 1 to 100 items */
  content: string | ChatTextPart[];
  name?: string | null;
}

/** `{type: "text", text}`, at most 100,000 characters. */
export interface ChatTextPart {
  type: "text";
  /** at most 100,000 characters */
  text: string;
  prompt_cache_breakpoint?: Record<string, unknown> | null;
}

/** Newer models' name for a system message. */
export interface ChatDeveloperMessage {
  role: "developer";
  /** at most 100,000 characters; 1 to 100 items */
  content: string | ChatTextPart[];
  name?: string | null;
}

export interface ChatUserMessage {
  role: "user";
  /** at most 100,000 characters; 1 to 100 items */
  content: string | Array<ChatTextPart | ChatImagePart>;
  name?: string | null;
}

/** `{type: "image_url", image_url: {url}}`. */
export interface ChatImagePart {
  type: "image_url";
  image_url: ChatImageUrl;
  prompt_cache_breakpoint?: Record<string, unknown> | null;
}

/** The address of an image, or the image itself: `data:image/png;base64,…`. */
export interface ChatImageUrl {
  /** at least 1 characters */
  url: string;
  detail?: "auto" | null;
}

/** An answer. The `message` of a completion can be sent back as it came. */
export interface ChatAssistantMessage {
  role: "assistant";
  /** at most 100,000 characters; at most 100 items */
  content?: string | Array<ChatTextPart | ChatRefusalPart> | null;
  /** at most 100,000 characters */
  refusal?: string | null;
  /** at most 128 items */
  tool_calls?: ChatToolCall[] | null;
  reasoning_content?: string | null;
  provider_state?: Record<string, unknown> | null;
  name?: string | null;
  /** at most 0 items */
  annotations?: unknown[] | null;
  audio?: Record<string, unknown> | null;
  function_call?: Record<string, unknown> | null;
}

/** What a model said instead of an answer. */
export interface ChatRefusalPart {
  type: "refusal";
  /** at most 100,000 characters */
  refusal: string;
}

/** A call the model made. */
export interface ChatToolCall {
  /** at most 16,384 characters */
  id: string;
  type: "function";
  function: ChatFunctionCall;
}

/** `arguments` is JSON text, exactly as the model wrote it (it may be invalid JSON). */
export interface ChatFunctionCall {
  /** 1 to 200 characters */
  name: string;
  arguments: string;
}

/** What came of a call. (`name` is told by the call.) */
export interface ChatToolMessage {
  role: "tool";
  /** at most 100,000 characters; 1 to 100 items */
  content: string | ChatTextPart[];
  /** at most 16,384 characters */
  tool_call_id: string;
  name?: string | null;
}

/** `include_usage`: one more chunk, without choices, tells the usage. Nothing is obfuscated on a pipe. */
export interface ChatStreamOptions {
  include_usage?: boolean | null;
  include_obfuscation?: boolean | null;
}

export interface ChatTool {
  type: "function";
  function: ChatFunction;
}

/** A function the model may call; `parameters` is a JSON Schema object. */
export interface ChatFunction {
  /**
   * 1 to 64 letters, digits, `_` or `-`
   * matches `^[A-Za-z0-9_-]{1,64}$`
   */
  name: string;
  /** at most 10,000 characters */
  description?: string | null;
  parameters?: Record<string, unknown> | null;
  strict?: boolean | null;
}

/** This tool and no other. */
export interface ChatFunctionChoice {
  type: "function";
  function: ChatFunctionName;
}

export interface ChatFunctionName {
  /** 1 to 64 characters */
  name: string;
}

/** Only these of the request's `tools`. */
export interface ChatAllowedToolsChoice {
  type: "allowed_tools";
  allowed_tools: ChatAllowedTools;
}

export interface ChatAllowedTools {
  mode: "auto" | "required";
  /** 1 to 128 items */
  tools: ChatToolReference[];
}

/** One of the request's `tools`. */
export interface ChatToolReference {
  type: "function";
  function: ChatFunctionName;
}

/** Free text. */
export interface ChatTextFormat {
  type: "text";
}

/** Any JSON object. */
export interface ChatJsonFormat {
  type: "json_object";
}

/** JSON that fits `schema`. */
export interface ChatJsonSchemaFormat {
  type: "json_schema";
  json_schema: ChatJsonSchema;
}

export interface ChatJsonSchema {
  /**
   * 1 to 64 letters, digits, `_` or `-`
   * matches `^[A-Za-z0-9_-]{1,64}$`
   */
  name: string;
  schema: Record<string, unknown>;
  /** at most 10,000 characters */
  description?: string | null;
  strict?: boolean | null;
}

/** A whole answer. `created` is in seconds since 1970. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: ChatChoice[];
  usage: ChatUsage;
}

export interface ChatChoice {
  index: number;
  message: ChatAnswer;
  finish_reason: "content_filter" | "length" | "stop" | "tool_calls";
  logprobs: null;
}

/** The model's message. `content` is null where there are only tool calls; a refusal is the content. */
export interface ChatAnswer {
  role: "assistant";
  content: string | null;
  refusal: string | null;
  tool_calls?: ChatToolCall[];
  reasoning_content?: string;
  provider_state?: Record<string, unknown>;
}

/** Tokens, and two fields of ours: `source` as in `Usage`, and `cost` in US dollars, null where it is not known. */
export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: ChatPromptTokens;
  completion_tokens_details?: ChatCompletionTokens;
  source: "estimated" | "partial" | "reported";
  cost: number | null;
}

/** Parts of `prompt_tokens`, where the provider tells them. */
export interface ChatPromptTokens {
  cached_tokens?: number;
  cache_write_tokens?: number;
}

/** Parts of `completion_tokens`, where the provider tells them. */
export interface ChatCompletionTokens {
  reasoning_tokens?: number;
}

/** Counts since the start unless said otherwise; bytes and milliseconds as named. */
export interface ServiceStatus {
  totalSessions: number;
  activeSessions: number;
  /** Now holding one of the `maxConcurrentInferences` slots. */
  activeInferences: number;
  queuedInferences: number;
  totalInferences: number;
  /** Prompt and completion tokens of every ended inference, as reported or estimated. */
  totalTokens: number;
  uptimeMs: number;
  /** Resident memory now; 0 where the platform does not say. */
  rssBytes: number;
  /** Written by the sidecar, not yet taken by the host. */
  outboxBytes: number;
  /** How late the event loop served its last timer. */
  loopLagMs: number;
  cache: CacheFigures;
  /** By provider id. */
  providers: Record<string, ProviderState>;
  /** Of every origin that was asked. */
  circuits: CircuitState[];
}

/** The response cache: what it holds now, and how often it was asked (only with `cache: true`) since the start. */
export interface CacheFigures {
  entries: number;
  bytes: number;
  hits: number;
  misses: number;
}

/** What happened with one provider since the start. */
export interface ProviderState {
  requests: number;
  failures: number;
  cancelled: number;
  tokens: number;
  /** The code of the last failure. */
  lastError: string | null;
}

/** One origin's circuit breaker. `open`: nothing is sent for `retryAfterMs`; `half-open`: one request may try. */
export interface CircuitState {
  origin: string;
  state: "closed" | "half-open" | "open";
  /** In a row, until now. */
  failures: number;
  retryAfterMs?: number;
}

export interface WindowClosedParams {
  /** 1 to 100 characters */
  windowId: string;
}

/** How many inferences were cancelled, sessions released from the live limits and ephemeral sessions destroyed. */
export interface WindowClosedResult {
  cancelled: number;
  released: number;
  destroyed: number;
}

export interface ProviderList {
  providers: ProviderInfo[];
}

/**
 * One provider of the catalogue. `ready`: its `providerId` alone works, since an address and, where it needs one, a
 * key are there; whether its server is running is not asked.
 */
export interface ProviderInfo {
  id: string;
  name: string;
  /** Where it is unless the user says otherwise; null where only the user can say. */
  baseUrl: string | null;
  /** Null: the server's first model, or the one a request names. */
  defaultModel: string | null;
  needsKey: boolean;
  /** The user must agree before anything is sent to the address they gave. */
  needsConsent: boolean;
  /** What its API can express; whether a model can do it is the model's business. */
  capabilities: string[];
  /** A key for it is in the sidecar's environment. */
  hasKey: boolean;
  ready: boolean;
}

/** Whose models: a profile's, else a provider's, else a named service's, else the active profile's. */
export interface ModelListParams {
  /** 1 to 100 characters */
  profileId?: string | null;
  /** 1 to 100 characters */
  providerId?: string | null;
  /**
   * The name of a service; a provider's id is the name of that provider.
   * 1 to 100 characters
   */
  service?: string | null;
}

/** The models in the provider's order. `truncated`: it offers more than is told here. */
export interface ModelList {
  object: "list";
  data: ModelInfo[];
  /** default `false` */
  truncated?: boolean;
}

/** A model. Limits are in tokens; what is not known is left out, prices included. */
export interface ModelInfo {
  id: string;
  object: "model";
  providerId: string;
  name?: string;
  contextWindow?: number;
  maxOutputTokens?: number;
  prices?: ModelPrices;
}

/** List prices now, without discounts, taxes and fees for tools. */
export interface ModelPrices {
  inputPerMillion: number;
  outputPerMillion?: number;
  /** Prompt tokens read from the provider's cache. */
  cachedInputPerMillion?: number;
  /** Prompt tokens written to it. */
  cacheWritePerMillion?: number;
  currency: "USD";
  /** For longer prompts, shortest first; above none of them, the rates beside. */
  tiers?: PriceTier[];
}

/** The rates of every token of a request whose prompt is longer than `abovePromptTokens`. */
export interface PriceTier {
  inputPerMillion: number;
  outputPerMillion?: number;
  /** Prompt tokens read from the provider's cache. */
  cachedInputPerMillion?: number;
  /** Prompt tokens written to it. */
  cacheWritePerMillion?: number;
  abovePromptTokens: number;
}

/**
 * `llm:session:create`: what every run of it begins with; a run may say otherwise.
 *
 * `idleTimeoutMs`: without activity for so long it stops counting as live; it is never lost. `ephemeral`: it ends with
 * its window, or with the process.
 */
export interface SessionConfig {
  /**
   * The host's own name for it; made here where it is left out.
   * 1 to 100 characters
   */
  sessionId?: string | null;
  /** 1 to 100 characters */
  providerId?: string | null;
  /** 1 to 100 characters */
  profileId?: string | null;
  /** 1 to 300 characters */
  modelId?: string | null;
  /** at most 100,000 characters */
  systemPrompt?: string | null;
  /** 0 to 2 */
  temperature?: number | null;
  /** 1 to 100,000 */
  maxTokens?: number | null;
  /** The host's own, at most 64 KiB of JSON. */
  metadata?: Record<string, unknown> | null;
  /**
   * Milliseconds.
   * 1,000 to 2,592,000,000; default `1800000`
   */
  idleTimeoutMs?: number;
  /**
   * The window it belongs to; `llm:window:closed` releases it.
   * 1 to 100 characters
   */
  windowId?: string | null;
  /** default `false` */
  ephemeral?: boolean;
  /**
   * What happens when a conversation is longer than its model takes: `CONTEXT_LENGTH_EXCEEDED`, or the oldest whole turns are left out (the system prompt stays).
   * default `"error"`
   */
  contextPolicy?: "error" | "truncate";
}

/**
 * A session. `isActive`: it counts against the limits of live sessions now. Instants are epoch milliseconds.
 *
 * `providerId`, `modelId`: what the session says; else who answered last; else who would answer now (null: nobody, or
 * the server's first model).
 */
export interface SessionInfo {
  sessionId: string;
  providerId: string | null;
  modelId: string | null;
  profileId?: string;
  createdAt: number;
  lastActivity: number;
  isActive: boolean;
  /**
   * It is answering now.
   * default `false`
   */
  isRunning?: boolean;
  /** Of what `llm:session:history` lists. */
  messageCount: number;
  /** Of all its answers, failed ones included. */
  totalTokens: number;
  /** US dollars of the turns whose price is known; null where none is. */
  totalCost: number | null;
  metadata?: Record<string, unknown>;
  systemPrompt?: string;
  windowId?: string;
  /** default `false` */
  ephemeral?: boolean;
}

/**
 * `llm:session:run`: the new messages of this turn, and how to answer it; what came before is the session's. A
 * question that was cancelled, or cut off by a crash, before its answer began is asked together with them; only once
 * where they are the same again.
 */
export interface SessionRunParams {
  /**
   * The host's own name for it; made here where it is left out.
   * 1 to 100 characters
   */
  inferenceId?: string | null;
  /**
   * A stored profile. Where neither it nor a provider is named: the active one.
   * 1 to 100 characters
   */
  profileId?: string | null;
  /**
   * One of `llm:providers:list`, with the key and the address of the environment.
   * 1 to 100 characters
   */
  providerId?: string | null;
  /**
   * Default: the profile's, else the provider's.
   * 1 to 300 characters
   */
  modelId?: string | null;
  /**
   * Said to the model before the messages.
   * at most 100,000 characters
   */
  systemPrompt?: string | null;
  /**
   * Left to the model where it is not named.
   * 0 to 2
   */
  temperature?: number | null;
  /**
   * The most the answer may have.
   * 1 to 100,000
   */
  maxTokens?: number | null;
  /** 0 to 1 */
  topP?: number | null;
  /**
   * Texts before which the answer ends.
   * at most 16 items; each 1 to 500 characters
   */
  stop?: string[] | null;
  /**
   * For the same answer again, as far as the provider can.
   * -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807
   */
  seed?: number | null;
  /**
   * False: no `llm:token`; `llm:done` has the whole `text`.
   * default `true`
   */
  stream?: boolean;
  /**
   * For the whole of it, retries included. Default: the limit `inferenceTimeoutMs`.
   * 1,000 to 600,000
   */
  timeoutMs?: number | null;
  /**
   * Until the first content of an attempt. Default: the limit `firstTokenTimeoutMs`.
   * 1 to 600,000
   */
  firstTokenTimeoutMs?: number | null;
  /**
   * Between two pieces. Default: the limit `chunkTimeoutMs`.
   * 1 to 600,000
   */
  chunkTimeoutMs?: number | null;
  /**
   * What the model may call; the host does what is called and sends the results as messages.
   * at most 128 items
   */
  tools?: ToolDefinition[] | null;
  /** Whether it may, must or must not call one, or which. */
  toolChoice?: "auto" | "none" | "required" | NamedTool | null;
  /** Text, any JSON object, or JSON that fits a schema. */
  responseFormat?: TextFormat | JsonFormat | JsonSchemaFormat | null;
  reasoning?: ReasoningOptions | null;
  retry?: RetryOptions | null;
  /**
   * Asked in this order where one fails before its first content; a provider's id may stand for a profile.
   * at most 10 items; each at most 100 characters
   */
  fallbackProfileIds?: string[] | null;
  /**
   * The same request is answered from memory for an hour.
   * default `false`
   */
  cache?: boolean;
  /**
   * Wait for a slot where all are taken, instead of `RATE_LIMIT`.
   * default `false`
   */
  queue?: boolean;
  /**
   * The window that its events are for; `llm:window:closed` cancels it.
   * 1 to 100 characters
   */
  windowId?: string | null;
  /** The host's own; no provider sees it. */
  metadata?: Record<string, unknown> | null;
  /** 1 to 100 characters */
  sessionId: string;
  /**
   * The new ones only.
   * 1 to 100 items
   */
  messages: Message[];
  contextPolicy?: "error" | "truncate" | null;
}

export interface SessionParams {
  /** 1 to 100 characters */
  sessionId: string;
}

/**
 * `limit` defaults to 50. Latest activity first; without the system prompts. A page also ends where the next
 * session would not fit one line.
 */
export interface SessionListParams {
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

export interface SessionList {
  sessions: SessionInfo[];
  nextCursor: string | null;
}

/** `limit` defaults to 50. Oldest first; a page also ends where the next message would not fit one line. */
export interface SessionHistoryParams {
  /** 1 to 100 characters */
  sessionId: string;
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

export interface SessionHistory {
  messages: SessionMessage[];
  nextCursor: string | null;
}

/**
 * A message of a session. `state`: how its turn ended, where it is an answer that was `cancelled`, or `interrupted`
 * by the end of the process; `running`: it is being written.
 */
export interface SessionMessage {
  messageId: string;
  role: "assistant" | "system" | "tool" | "user";
  content: string | Array<TextPart | ImagePart>;
  toolCalls?: ToolCall[];
  toolCallId?: string;
  providerState?: Record<string, unknown>;
  createdAt: number;
  /** default `"complete"` */
  state?: "cancelled" | "complete" | "interrupted" | "running";
  /**
   * Of the answer's inference.
   * 1 to 100 characters
   */
  inferenceId?: string;
  modelId?: string;
  /** at least 0 */
  totalTokens?: number;
  cost?: number;
  /**
   * The message does not fit one line: it has so many bytes, and its content is not shown.
   * at least 0
   */
  omittedBytes?: number;
}

/**
 * A copy of the session up to and with `atMessageId` (without it: of every turn that is over). It begins with no
 * tokens and no cost of its own.
 */
export interface SessionForkParams {
  /** 1 to 100 characters */
  sessionId: string;
  /** 1 to 100 characters */
  atMessageId?: string | null;
  /** 1 to 100 characters */
  newSessionId?: string | null;
}

export interface ProfileList {
  profiles: Profile[];
  encryptionAvailable: boolean;
  activeProfileId: string | null;
  /** Where keys are stored without encryption. */
  warning?: string;
}

/** A connection profile. `apiKey` says only whether there is a key. Instants are epoch milliseconds. */
export interface Profile {
  id: string;
  name: string;
  providerType: "anthropic" | "azure" | "deepseek" | "embedded" | "google" | "llama.cpp" | "lmstudio" | "ollama" | "openai" | "openai-compatible";
  /** Where requests go. */
  endpointUrl: string;
  apiKey: "***REDACTED***" | null;
  /** Used where a request names none. */
  modelId: string | null;
  /** Used where a request names no profile and no provider. */
  isActive: boolean;
  consentTimestamp: number | null;
  /** `http://` may lead to other machines. */
  allowInsecure: boolean;
  createdAt: number;
  modifiedAt: number;
}

/**
 * `endpointUrl` null: the provider's own address. `apiKey` null or empty: none. `consentTimestamp`: when the user
 * agreed (epoch milliseconds) to send what they type to an address they gave; `azure` and `openai-compatible` need it.
 * `allowInsecure`: the user accepts `http://` to another machine.
 */
export interface CreateProfileParams {
  /** 1 to 100 characters */
  name: string;
  providerType: "anthropic" | "azure" | "deepseek" | "embedded" | "google" | "llama.cpp" | "lmstudio" | "ollama" | "openai" | "openai-compatible";
  /** 1 to 2,048 characters */
  endpointUrl?: string | null;
  /** at most 500 characters */
  apiKey?: string | null;
  /** 1 to 300 characters */
  modelId?: string | null;
  /** 0 to 9,007,199,254,740,992 */
  consentTimestamp?: number | null;
  /** default `false` */
  allowInsecure?: boolean;
}

/** `warning`: a sentence for the user; `warnings` says the same by code. */
export interface StoredProfile {
  profile: Profile;
  warning?: string;
  warnings?: Warning[];
}

/** Something the user should see; the profile was stored all the same. */
export interface Warning {
  code: "DUPLICATE_NAME_WARNING" | "PLAINTEXT_STORAGE_WARNING";
  message: string;
}

/**
 * What is named is changed; null removes, and `***REDACTED***` leaves the key as it is. Another origin in
 * `endpointUrl` drops the stored key, unless a new one comes with it.
 */
export interface UpdateProfileParams {
  /**
   * a version 4 UUID
   * matches `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$`
   */
  id: string;
  /** 1 to 100 characters */
  name?: string;
  providerType?: "anthropic" | "azure" | "deepseek" | "embedded" | "google" | "llama.cpp" | "lmstudio" | "ollama" | "openai" | "openai-compatible";
  /** 1 to 2,048 characters */
  endpointUrl?: string | null;
  /** 1 to 500 characters */
  apiKey?: string | null;
  /** 1 to 300 characters */
  modelId?: string | null;
  /** 0 to 9,007,199,254,740,992 */
  consentTimestamp?: number | null;
  allowInsecure?: boolean;
}

/** `activateAlternateId`: the profile to activate where the active one is deleted. */
export interface DeleteProfileParams {
  /**
   * a version 4 UUID
   * matches `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$`
   */
  id: string;
  /** matches `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$` */
  activateAlternateId?: string | null;
}

/** `requiresUserSelection`: the active profile is gone, none took its place, and there are others. */
export interface DeletedProfile {
  deletedId: string;
  newActiveProfileId: string | null;
  requiresUserSelection: boolean;
}

export interface ProfileParams {
  /**
   * a version 4 UUID
   * matches `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$`
   */
  id: string;
}

export interface ActivatedProfile {
  activeProfile: Profile;
  deactivatedProfileId: string | null;
}

/** Without `profileId`: the active profile. */
export interface TestPromptParams {
  /** matches `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$` */
  profileId?: string | null;
  /** 1 to 10,000 characters; default `"Hello, can you respond?"` */
  promptText?: string;
}

/** What came of a test prompt. A failing provider is a result, not an error. `latencyMs`: to the first content. */
export interface TestPromptResult {
  profileId: string;
  profileName: string;
  providerType: "anthropic" | "azure" | "deepseek" | "embedded" | "google" | "llama.cpp" | "lmstudio" | "ollama" | "openai" | "openai-compatible";
  success: boolean;
  promptText: string;
  /** At most 500 characters. */
  responseText: string | null;
  modelName: string | null;
  latencyMs: number | null;
  totalTimeMs: number;
  errorCode: string | null;
  errorMessage: string | null;
  timestamp: number;
}

/** `force`: look again, though the last look is younger than five minutes. */
export interface DiscoverParams {
  /** default `false` */
  force?: boolean;
}

/**
 * What listens on this machine. `profileCreated`: a profile for `discoveredUrl` was made; it is active only where
 * there was none before.
 */
export interface Discovery {
  discovered: boolean;
  discoveredUrl: string | null;
  profileCreated: boolean;
  profileId: string | null;
  probedPorts: number[];
  /** What came of each of them. */
  ports: ProbedPort[];
  servers: DiscoveredServer[];
  /** default `false` */
  cached?: boolean;
}

/** `outcome`: `closed` nobody listens; `timeout` no answer in time; `unknown` something else answered. */
export interface ProbedPort {
  port: number;
  outcome: "closed" | "found" | "timeout" | "unknown";
  latencyMs: number;
}

export interface DiscoveredServer {
  url: string;
  kind: "llama.cpp" | "lmstudio" | "ollama" | "openai-compatible" | "vllm";
  models: string[];
}

/**
 * One of them: `vaultKey` (base64 of 32 bytes) or `passphrase`; with `acceptOlder` also neither, for the key source
 * of the start.
 */
export interface UnlockVaultParams {
  /** at most 200 characters */
  vaultKey?: string | null;
  /** 1 to 1,000 characters */
  passphrase?: string | null;
  /**
   * A person put a backup in the vault's place, and knows that what was stored since is lost: open it although it is older than the one written last.
   * default `false`
   */
  acceptOlder?: boolean;
}

/**
 * `state`: `absent` (no key was stored yet), `open`, `locked`, or what is wrong with it. `source`: where its key
 * comes from (`host`, `key-fd`, `keyring`, `passphrase`, `environment`), null where there is none.
 */
export interface VaultStatus {
  state: "absent" | "corrupt" | "locked" | "newer" | "open" | "tampered" | "unavailable" | "wrong-key";
  available: boolean;
  source: string | null;
  records?: number;
  /**
   * Keys stored without encryption.
   * default `0`
   */
  plaintextKeys?: number;
  generation?: number;
  /** default `false` */
  rotationPending?: boolean;
  /** default `0` */
  backups?: number;
  /** The error code that says why it cannot be used. */
  code?: ErrorCode;
}

/**
 * Two phases. `begin` with the new key: the vault opens with either; store the new key; `commit`: with the new one
 * only. `abort` drops the new one again. `reencrypt`: a new data key, everything encrypted again.
 */
export interface RotateVaultParams {
  phase: "abort" | "begin" | "commit" | "reencrypt";
  /** at most 200 characters */
  newVaultKey?: string | null;
  /** 1 to 1,000 characters */
  newPassphrase?: string | null;
}

/**
 * `params` are those of the method the kind is named after; for `batch` see `BatchParams`. Their ids, windows,
 * streams and `queue` are not heeded: a job's inference is the job's, and waits for its slot. Higher priorities run
 * first; equal ones in their order.
 *
 * `ifInterrupted`: what becomes of it when the sidecar dies, or is shut down, while it runs: `fail` (it ends as
 * `interrupted`; it may have been paid for) or `restart` (it is asked, and perhaps paid, again), whoever answers it.
 * What waits goes on with the next process in any case, and so does a batch that its provider has: only where it was
 * just being handed over to one that cannot be asked about that (Anthropic), this decides, too.
 *
 * `metadata` has at most 64 KiB of JSON.
 */
export interface SubmitJobParams {
  kind: "batch" | "chat:completions" | "generate-text" | "inference";
  params: Record<string, unknown>;
  /** -1,000 to 1,000; default `0` */
  priority?: number;
  /** 1 to 100 characters */
  jobId?: string | null;
  /** default `"fail"` */
  ifInterrupted?: "fail" | "restart";
  /**
   * Its notifications are for this window; closing it does not end the job.
   * 1 to 100 characters
   */
  windowId?: string | null;
  metadata?: Record<string, unknown> | null;
}

export interface JobAccepted {
  jobId: string;
}

export interface JobParams {
  /** 1 to 100 characters */
  jobId: string;
}

/**
 * A job. Instants are epoch milliseconds, null until they have come. `attempts`: how often it began.
 *
 * `mayHaveBeenPaid`: it was sent to a provider that costs money, and nobody knows whether that was answered. It stays
 * true of a job that was asked again, whatever came of that. The newest `maxFinishedJobs` are kept after their end.
 */
export interface JobInfo {
  jobId: string;
  kind: "batch" | "chat:completions" | "generate-text" | "inference";
  state: "cancelled" | "done" | "failed" | "interrupted" | "queued" | "running";
  priority: number;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  attempts: number;
  progress?: JobProgress;
  error?: JobError;
  /** default `false` */
  mayHaveBeenPaid?: boolean;
  windowId?: string;
  metadata?: Record<string, unknown>;
}

/** `total` is left out where it is not known. */
export interface JobProgress {
  current: number;
  total?: number;
  message?: string;
}

/** Why a job failed: as `error.data`, with its message. */
export interface JobError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
}

/** `limit` defaults to 50. Newest first. Metadata that does not fit one line is left out. */
export interface JobListParams {
  state?: "cancelled" | "done" | "failed" | "interrupted" | "queued" | "running" | null;
  kind?: "batch" | "chat:completions" | "generate-text" | "inference" | null;
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

export interface JobList {
  jobs: JobInfo[];
  nextCursor: string | null;
}

/** `cursor` and `limit` page the items of a batch. */
export interface JobResultParams {
  /** 1 to 100 characters */
  jobId: string;
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

/**
 * `result`: that of the method (`inference`: its `llm:done`, with `text`), left out until the job is done. An
 * `inference` that failed or was cancelled has its terminal there, with what had come (`partialText`, `text`). A batch
 * has `items` instead, in the order they came, also while it runs.
 */
export interface JobResult {
  jobId: string;
  state: "cancelled" | "done" | "failed" | "interrupted" | "queued" | "running";
  result?: Record<string, unknown>;
  error?: JobError;
  items?: BatchItem[];
  nextCursor?: string;
}

/** What came of one request of a batch: `result` as the job kind `inference` has it, or `error`. */
export interface BatchItem {
  customId: string;
  result?: Record<string, unknown>;
  error?: JobError;
}

/**
 * From `from` (included) to `to` (excluded), epoch milliseconds; without: everything. `utcOffsetMinutes` says where
 * a day begins.
 */
export interface UsageSummaryParams {
  /** 0 to 9,007,199,254,740,992 */
  from?: number | null;
  /** 0 to 9,007,199,254,740,992 */
  to?: number | null;
  groupBy?: "day" | "model" | "profile" | "provider" | "session" | null;
  /** -840 to 840; a multiple of 15; default `0` */
  utcOffsetMinutes?: number;
}

/**
 * `rows` by what they cost, days in their order. `truncated`: there are more groups than fit; those that cost least
 * (the oldest days) are left out, but not of the `total`.
 */
export interface UsageSummary {
  rows: UsageSummaryRow[];
  total: UsageSummaryRow;
  /** default `false` */
  truncated?: boolean;
}

/**
 * The inferences of one group. `key`: the provider, model, day (`2026-11-28`), session or profile; null for the
 * group of those that have none, and where nothing groups them. `cost`: US dollars of those whose price is known;
 * `unpriced` is how many others used something that may have one. `firstTokenMs` and `totalMs` are means in
 * milliseconds, of the answers that had a token and of those that are complete (but for items of batches, which nobody
 * measured); null where there are none. An answer from the cache used nothing: it is one of the requests, and nothing
 * else.
 */
export interface UsageSummaryRow {
  key: string | null;
  requests: number;
  errors: number;
  cancelled: number;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedPromptTokens: number;
  reasoningTokens: number;
  cost: number;
  unpriced: number;
  firstTokenMs: number | null;
  totalMs: number | null;
}

/** `limit` defaults to 50. Newest first. */
export interface UsageListParams {
  /** 0 to 9,007,199,254,740,992 */
  from?: number | null;
  /** 0 to 9,007,199,254,740,992 */
  to?: number | null;
  /** 1 to 100 characters */
  providerId?: string | null;
  /** 1 to 100 characters */
  sessionId?: string | null;
  /** 1 to 100 characters */
  profileId?: string | null;
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

export interface UsageList {
  rows: UsageRow[];
  nextCursor: string | null;
}

/** One inference. */
export interface UsageRow {
  inferenceId: string;
  /** When it ended, epoch milliseconds. */
  at: number;
  providerId: string;
  modelId: string;
  profileId?: string;
  sessionId?: string;
  jobId?: string;
  outcome: "cancelled" | "done" | "error";
  /** Of the error. */
  code?: ErrorCode;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedPromptTokens?: number;
  cacheWriteTokens?: number;
  reasoningTokens?: number;
  source: "estimated" | "partial" | "reported";
  /** US dollars; null where a price is not known, 0 where there is none to pay (models of this machine, the cache). */
  cost: number | null;
  firstTokenMs: number | null;
  /** Null where it was not measured (of an item of a batch). */
  totalMs: number | null;
  attempts: number;
  /** default `false` */
  cached?: boolean;
}

/**
 * A limit in US dollars for each day or month, of one profile or (without `profileId`) of everything; null removes
 * it. A day and a month begin at `utcOffsetMinutes` from UTC.
 */
export interface SetBudgetParams {
  period: "day" | "month";
  /** 0 to 1,000,000 */
  limit: number | null;
  /** 1 to 100 characters */
  profileId?: string | null;
  /** -840 to 840; a multiple of 15; default `0` */
  utcOffsetMinutes?: number;
}

export interface BudgetList {
  budgets: Budget[];
}

/**
 * `spent` and `remaining` are of the present period, which ends at `resetsAt`. At 0 remaining, paid inferences are
 * refused with `BUDGET_EXCEEDED`; what runs goes on. Inferences whose price is not known do not count.
 */
export interface Budget {
  period: "day" | "month";
  profileId: string | null;
  limit: number;
  spent: number;
  remaining: number;
  resetsAt: number;
  /** default `0` */
  utcOffsetMinutes?: number;
}

/** `limit` defaults to 50. Newest first. */
export interface AuditListParams {
  action?: "endpoint.refused" | "key.dropped" | "key.used" | "profile.activated" | "profile.changed" | "profile.created" | "profile.deleted" | "profile.tested" | "storage.plaintext" | "vault.created" | "vault.rotated" | "vault.unlock-failed" | "vault.unlocked" | null;
  /** 0 to 9,007,199,254,740,992 */
  from?: number | null;
  /** 0 to 9,007,199,254,740,992 */
  to?: number | null;
  /** 1 to 200 characters */
  cursor?: string | null;
  /** 1 to 200 */
  limit?: number | null;
}

export interface AuditList {
  entries: AuditEntry[];
  nextCursor: string | null;
}

/** A security event. `details` are small facts, never a secret. */
export interface AuditEntry {
  id: number;
  at: number;
  action: "endpoint.refused" | "key.dropped" | "key.used" | "profile.activated" | "profile.changed" | "profile.created" | "profile.deleted" | "profile.tested" | "storage.plaintext" | "vault.created" | "vault.rotated" | "vault.unlock-failed" | "vault.unlocked";
  profileId?: string;
  details?: Record<string, unknown>;
  /**
   * How often it happened in a row (the use of a key is told once an hour).
   * default `1`
   */
  repeated?: number;
}

/** `llm:thinking`: a change of state, or with `status: "reasoning"` a piece of the model's reasoning in `text`. */
export interface ThinkingEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  status: "initializing" | "processing" | "queued" | "reasoning" | "retrying";
  progress?: number;
  text?: string;
  /** With `retrying`: the number of the attempt that comes (the first was 1). */
  attempt?: number;
  retryAfterMs?: number;
  /** With `retrying`: why the attempt before failed. */
  code?: ErrorCode;
  /** With `retrying`: who is asked now, where that is another one (the next of `fallbackProfileIds`). */
  providerId?: string;
}

/** `llm:token`: text. `index` counts the provider's deltas; this event holds `count` of them from `index` on. */
export interface TokenEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  /** The text; join them all. */
  token: string;
  index: number;
  count: number;
}

/** `llm:tool-call`: a piece of the call at `index`; `id` and `name` come with its first piece. */
export interface ToolCallEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  index: number;
  id?: string;
  name?: string;
  argumentsDelta: string;
}

/** `llm:progress`: for example prompt tokens read so far. */
export interface ProgressEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  current: number;
  total?: number;
  message?: string;
}

/** `llm:done`: the end of an answer, complete or (with `cancelled`) as far as it came. */
export interface DoneEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  /** As in `usage`. */
  totalTokens: number;
  usage: Usage;
  /** US dollars at list price for `usage`; null where the price is not known, 0 for an answer from the cache. */
  cost: number | null;
  finishReason: "content_filter" | "length" | "stop" | "tool_calls";
  /** The provider's own word. */
  rawFinishReason: string | null;
  /**
   * It was cancelled: this is as far as it came.
   * default `false`
   */
  cancelled?: boolean;
  /** The whole text, with `stream: false`. */
  text?: string;
  toolCalls?: ToolCall[];
  /** To be sent back in this answer's message, where the provider wants it. */
  providerState?: Record<string, unknown>;
  /** Who answered (a fallback, perhaps). */
  providerId: string;
  /** Who answered, as the provider names it. */
  modelId: string;
  profileId?: string;
  /** How many requests were sent to providers. */
  attempts: number;
  /**
   * From the response cache: nobody was asked.
   * default `false`
   */
  cached?: boolean;
  /**
   * False: what belongs to it (the session's turn, its usage) could not be stored.
   * default `true`
   */
  persisted?: boolean;
  timings: Timings;
}

/** Milliseconds: waiting for a slot; from admission to the first content (null: none came); admission to the end. */
export interface Timings {
  queuedMs: number;
  firstTokenMs: number | null;
  totalMs: number;
}

/** `llm:error`: the end of an answer that failed; `partialText` is what had come. */
export interface ErrorEvent {
  inferenceId: string;
  /** From 0 on, without a gap. */
  seq: number;
  /** Where it is a session's run. */
  sessionId?: string;
  /** As the request named it. */
  windowId?: string;
  /** For people to read. */
  error: string;
  /** For programs to branch on. */
  code: ErrorCode;
  /** Whether trying again can help. */
  retryable: boolean;
  /** Not before so many milliseconds. */
  retryAfterMs?: number;
  details?: Record<string, unknown>;
  /** What had come. */
  partialText?: string;
  usage: Usage;
  /** US dollars at list price for `usage`, where it is known; a refused request used nothing. */
  cost?: number;
  providerId: string;
  modelId: string;
  profileId?: string;
  /** How many requests were sent to providers. */
  attempts: number;
  /** default `true` */
  persisted?: boolean;
  timings: Timings;
}

/** `llm:chat:chunk`: a piece of the answer to the request `requestId`, before its response. */
export interface ChatChunkEvent {
  requestId: string | number | null;
  chunk: ChatCompletionChunk;
}

/** A piece of an answer; it may join several of the provider's. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: ChatChunkChoice[];
  usage?: ChatUsage;
}

export interface ChatChunkChoice {
  index: number;
  delta: ChatDelta;
  /** With the last piece. */
  finish_reason: "content_filter" | "length" | "stop" | "tool_calls" | null;
  logprobs: null;
}

/** What is new; `role` comes with the first. */
export interface ChatDelta {
  role?: "assistant";
  content?: string;
  reasoning_content?: string;
  tool_calls?: ChatToolCallDelta[];
}

/** A piece of the call at `index`; `id`, `type` and the function's name come with its first piece. */
export interface ChatToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function: ChatFunctionDelta;
}

export interface ChatFunctionDelta {
  name?: string;
  arguments: string;
}

/** `llm:job:progress`: a change of state, or how far it has come. */
export interface JobProgressEvent {
  jobId: string;
  kind: "batch" | "chat:completions" | "generate-text" | "inference";
  windowId?: string;
  state: "cancelled" | "done" | "failed" | "interrupted" | "queued" | "running";
  progress?: JobProgress;
}

/** `llm:job:done`: its result can be fetched. (`cancelled`: it was cancelled.) */
export interface JobDoneEvent {
  jobId: string;
  kind: "batch" | "chat:completions" | "generate-text" | "inference";
  windowId?: string;
  /** default `false` */
  cancelled?: boolean;
  /**
   * Of a batch: how many came.
   * at least 0
   */
  items?: number;
}

/** `llm:job:error`: it failed, or was interrupted. */
export interface JobErrorEvent {
  jobId: string;
  kind: "batch" | "chat:completions" | "generate-text" | "inference";
  windowId?: string;
  error: JobError;
  /** default `false` */
  mayHaveBeenPaid?: boolean;
}

/** The requests a host can make. */
export interface SidecarMethods {
  /** The handshake: versions, limits, the host's process id. Optional, once, first. */
  "initialize": { params: InitializeParams; result: InitializeResult };
  /** Answered at once, also while a stream is stalled. */
  "ping": { params: NoParams; result: Empty };
  /** Settle what is running, refuse what is new, and answer. Then send `exit` or close stdin. */
  "shutdown": { params: ShutdownParams; result: Empty };
  /** This protocol, as an OpenRPC document. */
  "rpc.discover": { params: NoParams; result: Record<string, unknown> };
  /** Start one answer. Its events follow the response; exactly one `llm:done` or `llm:error` ends them. */
  "llm:inference": { params: InferenceParams; result: InferenceAccepted };
  /** Cancel an inference in any state. No token follows the response; the terminal is `llm:done` with `cancelled`. */
  "llm:cancel": { params: CancelParams; result: Success };
  /** Replay the events of an inference from `fromSeq` on; live ones follow the response. */
  "llm:inference:attach": { params: AttachParams; result: AttachResult };
  /** One prompt, one text, in the response. `$/cancelRequest` cancels it. */
  "llm:generate-text": { params: GenerateTextParams; result: GeneratedText };
  /** A chat completion in OpenAI's format. With `request.stream` each `llm:chat:chunk` comes before the response, which is the whole completion. `$/cancelRequest` cancels it. */
  "llm:chat:completions": { params: ChatCompletionParams; result: ChatCompletion };
  /** What the sidecar is doing now. */
  "llm:get-status": { params: NoParams; result: ServiceStatus };
  /** A window of the host is gone: cancel its inferences, release its sessions. */
  "llm:window:closed": { params: WindowClosedParams; result: WindowClosedResult };
  /** The catalogue of providers: where each is, what it needs and can do, and whether it can be used now. */
  "llm:providers:list": { params: NoParams; result: ProviderList };
  /** The models of a profile, a provider or a service, asked for now, with their prices where known. */
  "llm:models:list": { params: ModelListParams; result: ModelList };
  /** Begin a conversation that is kept. */
  "llm:session:create": { params: SessionConfig; result: SessionInfo };
  /** Answer this turn's new messages. Events as of `llm:inference`, with the session's id; the turn is kept when its `llm:done` comes. */
  "llm:session:run": { params: SessionRunParams; result: InferenceAccepted };
  /** Delete a session and what was said in it; cancels its running answer. */
  "llm:session:destroy": { params: SessionParams; result: Success };
  /** The sessions, active or not, by their last activity. */
  "llm:session:list": { params: SessionListParams; result: SessionList };
  /** One session. */
  "llm:session:get": { params: SessionParams; result: SessionInfo };
  /** What was said in a session. */
  "llm:session:history": { params: SessionHistoryParams; result: SessionHistory };
  /** A new session with what was said so far, or up to a message. */
  "llm:session:fork": { params: SessionForkParams; result: SessionInfo };
  /** The stored connections. Never a key. */
  "llm:profiles:list": { params: NoParams; result: ProfileList };
  /** Store a connection; its key goes into the vault. */
  "llm:profiles:create": { params: CreateProfileParams; result: StoredProfile };
  /** Change a connection. Another origin drops its key, unless a new one comes with it. */
  "llm:profiles:update": { params: UpdateProfileParams; result: StoredProfile };
  /** Delete a connection and its key. */
  "llm:profiles:delete": { params: DeleteProfileParams; result: DeletedProfile };
  /** Make a connection the one that is used where none is named. */
  "llm:profiles:activate": { params: ProfileParams; result: ActivatedProfile };
  /** Send a test prompt; what goes wrong at the provider is told in the result. At most 10 a minute, 10 s each. */
  "llm:profiles:test": { params: TestPromptParams; result: TestPromptResult };
  /** Look for model servers on this machine, and make a profile for the first one found. */
  "llm:profiles:discover": { params: DiscoverParams; result: Discovery };
  /** Give the vault its key. */
  "llm:vault:unlock": { params: UnlockVaultParams; result: VaultStatus };
  /** Put the vault under a new key, in two phases, or its records under a new data key. */
  "llm:vault:rotate": { params: RotateVaultParams; result: VaultStatus };
  /** The state of the vault. */
  "llm:vault:status": { params: NoParams; result: VaultStatus };
  /** Hand over work that survives the process. */
  "llm:job:submit": { params: SubmitJobParams; result: JobAccepted };
  /** One job. */
  "llm:job:get": { params: JobParams; result: JobInfo };
  /** The jobs, newest first. */
  "llm:job:list": { params: JobListParams; result: JobList };
  /** Cancel a job, queued or running. */
  "llm:job:cancel": { params: JobParams; result: Success };
  /** What came of a job. */
  "llm:job:result": { params: JobResultParams; result: JobResult };
  /** Tokens, cost, requests and latency, grouped as asked. */
  "llm:usage:summary": { params: UsageSummaryParams; result: UsageSummary };
  /** The inferences, newest first. */
  "llm:usage:list": { params: UsageListParams; result: UsageList };
  /** Set or remove a limit to what inferences may cost. */
  "llm:budget:set": { params: SetBudgetParams; result: BudgetList };
  /** The budgets and what is left of them. */
  "llm:budget:get": { params: NoParams; result: BudgetList };
  /** Security events, newest first. */
  "llm:audit:list": { params: AuditListParams; result: AuditList };
}

/** The notifications a host can send: their params. */
export interface HostNotifications {
  /** End the process now. */
  "exit": NoParams;
  /** Cancel a request that has not been answered yet. */
  "$/cancelRequest": CancelRequestParams;
}

/** The notifications the sidecar sends: their params. */
export interface SidecarNotifications {
  /** A change of state, or a piece of the model's reasoning. */
  "llm:thinking": ThinkingEvent;
  /** A piece of the answer's text. */
  "llm:token": TokenEvent;
  /** A piece of a tool call. */
  "llm:tool-call": ToolCallEvent;
  /** How far a long operation has come. */
  "llm:progress": ProgressEvent;
  /** The end of an answer. */
  "llm:done": DoneEvent;
  /** The end of an answer that failed. */
  "llm:error": ErrorEvent;
  /** A piece of a chat completion. */
  "llm:chat:chunk": ChatChunkEvent;
  /** A job changed its state, or came further. */
  "llm:job:progress": JobProgressEvent;
  /** A job is done, or was cancelled. */
  "llm:job:done": JobDoneEvent;
  /** A job failed, or was interrupted. */
  "llm:job:error": JobErrorEvent;
}
