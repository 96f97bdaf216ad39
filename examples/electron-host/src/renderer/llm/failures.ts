/** What a failure means for the person who sees it, and what they can do. Law: every code has words, by the compiler's word. */
import type { HostErrorCode, IpcError } from '../../shared/ipc-result'

export type Remedy = 'retry' | 'profiles' | 'models' | 'new-chat' | 'usage'

export interface Explained {
  title: string
  /** Null where the message itself says it. */
  advice: string | null
  remedy: Remedy | null
}

type Words = readonly [title: string, advice: string | null, remedy: Remedy | null]

const STORAGE: Words = ['What is stored cannot be used', 'Chats still work, but nothing is kept.', 'retry']
const VAULT: Words = ['The stored keys cannot be used', 'They are left as they are; the log says more.', 'profiles']
const MISTAKE: Words = ['The app made a mistake', 'It and the sidecar may be of different ages.', null]
const GONE: Words = ['The sidecar is not there', null, 'retry']

const WORDS: Record<HostErrorCode, Words> = {
  API_KEY_MISSING: ['There is no API key', 'Create a profile with a key, or set it in the environment.', 'profiles'],
  AUTH_ERROR: ['The key was refused', 'Check the key of this profile: it may be mistyped, revoked or for another account.', 'profiles'],
  INVALID_PROVIDER: ['This provider is not known', 'Choose another one.', 'profiles'],
  INVALID_MODEL: ['This model is not offered', 'Choose another model.', 'models'],
  VALIDATION_ERROR: ['The request is not valid', null, null],
  INVALID_REQUEST: ['The provider refused the request', null, null],
  NETWORK_ERROR: ['The provider cannot be reached', 'Check the connection, and whether its server is running.', 'retry'],
  RATE_LIMIT: ['Too many requests', 'Wait a moment.', 'retry'],
  INSUFFICIENT_QUOTA: ['The account is empty', 'Add credit at the provider, or choose another profile.', 'profiles'],
  BUDGET_EXCEEDED: ['The budget is used up', 'Raise the budget, or wait until it begins anew.', 'usage'],
  CONTEXT_LENGTH_EXCEEDED: ['The conversation is too long for this model', 'Begin a new chat, or choose a model with a larger context.', 'new-chat'],
  SERVER_ERROR: ['The provider has a problem', 'It is usually short.', 'retry'],
  PROVIDER_OVERLOADED: ['The provider is overloaded', 'It is usually short.', 'retry'],
  STREAM_TRUNCATED: ['The answer was cut off', 'The provider ended it without its end.', 'retry'],
  PROVIDER_PROTOCOL_ERROR: ['The provider answered with something unexpected', 'Is the address that of an LLM server?', 'profiles'],
  TIMEOUT: ['It took too long', null, 'retry'],
  FIRST_TOKEN_TIMEOUT: ['The model did not begin', 'It may still be loading.', 'retry'],
  STREAM_TIMEOUT: ['The model stopped in the middle', null, 'retry'],
  OVERLOADED: ['Too much at once', 'Wait until other answers are done.', 'retry'],
  SESSION_LIMIT: ['Too many open conversations', 'Wait until one of them is done.', 'retry'],
  SESSION_BUSY: ['This conversation is being answered already', 'Wait for the end, or cancel it.', 'retry'],
  SESSION_NOT_FOUND: ['This conversation is gone', 'It was deleted, or another window uses it.', 'new-chat'],
  NO_ACTIVE_PROFILE: ['No profile is active', 'Choose who is to answer.', 'profiles'],
  PROFILE_NOT_FOUND: ['This profile is gone', 'Choose another one.', 'profiles'],
  VAULT_LOCKED: ['The stored keys are locked', 'The key of the vault is not there.', 'profiles'],
  VAULT_WRONG_KEY: ['The stored keys cannot be opened', 'They were encrypted with another key. Enter them again.', 'profiles'],
  SIDECAR_EXITED: ['The sidecar ended while it answered', 'It was started again; the conversation is kept.', 'retry'],
  SIDECAR_UNAVAILABLE: ['The sidecar is not running', 'It is being started.', 'retry'],
  SHUTTING_DOWN: ['The sidecar is ending', null, 'retry'],
  INTERNAL_ERROR: ['Something went wrong inside', 'The log says where.', 'retry'],
  MESSAGE_TOO_LARGE: ['The message is too large', 'Leave a picture out, or shorten it.', null],
  SESSION_EXISTS: ['There is such a conversation already', null, 'new-chat'],
  INFERENCE_NOT_FOUND: ['This answer is gone', 'It was written too long ago to be read again.', null],
  INFERENCE_EXISTS: ['This answer is being written already', null, null],
  REPLAY_GAP: ['The beginning of this answer is gone', 'It is too long to be read again while it is written.', null],
  CANCELLED: ['It was stopped', null, 'retry'],
  ALTERNATE_NOT_FOUND: ['The other profile is gone', 'Choose another one.', 'profiles'],
  DISCOVERY_ERROR: ['Local servers could not be looked for', null, 'retry'],
  JOB_NOT_FOUND: ['This job is gone', 'It was deleted, or another window uses it.', null],
  JOB_EXISTS: ['There is such a job already', null, null],
  JOB_INTERRUPTED: ['The job was interrupted', 'Submit it again.', null],
  SERVICE_NOT_FOUND: ['There is no service of this name', null, null],
  DATA_DIR_LOCKED: ['Another copy is running', 'Close it, and try again.', 'retry'],
  FORBIDDEN: ['This page may not ask', null, null],
  STORAGE_READ_ERROR: STORAGE,
  STORAGE_WRITE_ERROR: STORAGE,
  STORAGE_CORRUPT: STORAGE,
  STORAGE_NEWER: STORAGE,
  VAULT_READ_ERROR: VAULT,
  VAULT_WRITE_ERROR: VAULT,
  VAULT_CORRUPT: VAULT,
  VAULT_TAMPERED: VAULT,
  VAULT_NEWER: VAULT,
  PARSE_ERROR: MISTAKE,
  INVALID_MESSAGE: MISTAKE,
  DUPLICATE_ID: MISTAKE,
  METHOD_NOT_FOUND: MISTAKE,
  ALREADY_INITIALIZED: MISTAKE,
  SIDECAR_MISSING: GONE,
  SIDECAR_VERSION: GONE,
  SIDECAR_SLOW: GONE,
  SIDECAR_UNRESPONSIVE: GONE,
  SIDECAR_CRASH_LOOP: GONE,
  SIDECAR_REFUSED: GONE
}

export function explain(failure: IpcError): Explained {
  // A newer sidecar may have a code that this app does not know.
  const known = WORDS[failure.code] as Words | undefined
  const [title, advice, remedy] = known ?? [failure.code.toLowerCase().replaceAll('_', ' '), null, failure.retryable ? 'retry' : null]
  return { title, advice, remedy }
}

export function isStorageProblem(failure: IpcError): boolean {
  return failure.code.startsWith('STORAGE_') || failure.code === 'METHOD_NOT_FOUND'
}
