/**
 * What may be sent: the types and bounds of a request, checked in the preload before it leaves the page and again in
 * the main process, which trusts no page.
 *
 * Law: it refuses with every field that is wrong, by path and reason, and never repeats a value. It checks what a page
 * can get wrong cheaply; the sidecar checks the rest (tools, formats, unknown fields) with the same error code.
 */
import { invalid } from './llm-error'

type Fields = Record<string, unknown>
interface Problem {
  path: string
  reason: string
}
type Check = (value: unknown, path: string) => Problem[]

const ROLES: readonly unknown[] = ['user', 'assistant', 'system', 'tool']
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

const one = (path: string, reason: string): Problem[] => [{ path, reason }]

export const text = (min: number, max: number): Check => (value, path) => {
  if (typeof value !== 'string') return one(path, 'must be a string')
  return value.length < min || value.length > max ? one(path, `must have ${min} to ${max} characters`) : []
}

export const number = (min: number, max: number): Check => (value, path) =>
  typeof value === 'number' && value >= min && value <= max ? [] : one(path, `must be a number from ${min} to ${max}`)

export const integer = (min: number, max: number): Check => (value, path) =>
  Number.isInteger(value) ? number(min, max)(value, path) : one(path, `must be a whole number from ${min} to ${max}`)

export const flag: Check = (value, path) => (typeof value === 'boolean' ? [] : one(path, 'must be true or false'))

export const uuid: Check = (value, path) =>
  typeof value === 'string' && UUID4.test(value) ? [] : one(path, 'must be a version 4 UUID')

export const plain: Check = (value, path) => (isObject(value) ? [] : one(path, 'must be an object'))

export const nullable = (check: Check): Check => (value, path) => (value === null ? [] : check(value, path))

export const id = text(1, 100)
const longText = text(0, 100_000)

const messages: Check = (value, path) => {
  if (!Array.isArray(value)) return one(path, 'must be an array')
  if (value.length < 1 || value.length > 100) return one(path, 'must have 1 to 100 items')
  return value.flatMap((item, index) => message(item, `${path}[${index}]`))
}

const message: Check = (value, path) => {
  if (!isObject(value)) return one(path, 'must be an object')
  const role = ROLES.includes(value['role']) ? [] : one(`${path}.role`, 'must be user, assistant, system or tool')
  return [...role, ...content(value['content'], `${path}.content`)]
}

const content: Check = (value, path) => {
  if (!Array.isArray(value)) return longText(value, path)
  if (value.length > 100) return one(path, 'must have at most 100 items')
  return value.flatMap((part: unknown, index) => {
    const where = `${path}[${index}]`
    if (!isObject(part)) return one(where, 'must be an object')
    if (part['type'] === 'text') return longText(part['text'], `${where}.text`)
    return part['type'] === 'image' ? [] : one(`${where}.type`, 'must be text or image')
  })
}

interface Rules {
  required?: Record<string, Check>
  optional?: Record<string, Check>
}

const ANSWER_OPTIONS: Record<string, Check> = {
  inferenceId: id, profileId: id, providerId: id, modelId: text(1, 300), systemPrompt: longText,
  temperature: number(0, 2), maxTokens: integer(1, 100_000), topP: number(0, 1), stream: flag,
  timeoutMs: integer(1_000, 600_000), firstTokenTimeoutMs: integer(1, 600_000), chunkTimeoutMs: integer(1, 600_000),
  cache: flag, queue: flag, metadata: plain
}
const PAGE: Record<string, Check> = { cursor: text(1, 200), limit: integer(1, 200) }
const PROFILE: Record<string, Check> = {
  endpointUrl: nullable(text(1, 2_048)), apiKey: nullable(text(0, 500)), modelId: nullable(text(1, 300)),
  consentTimestamp: nullable(integer(0, 2 ** 53)), allowInsecure: flag
}
const named = { name: text(1, 100), providerType: id }
const session = { sessionId: id }

export const RULES = {
  inference: { required: { messages }, optional: ANSWER_OPTIONS },
  sessionRun: { required: { ...session, messages }, optional: ANSWER_OPTIONS },
  sessionConfig: {
    optional: {
      ...session, providerId: id, profileId: id, modelId: text(1, 300), systemPrompt: longText,
      temperature: number(0, 2), maxTokens: integer(1, 100_000), metadata: plain,
      idleTimeoutMs: integer(1_000, 2_592_000_000), ephemeral: flag
    }
  },
  history: { required: session, optional: PAGE },
  fork: { required: session, optional: { atMessageId: id, newSessionId: id } },
  page: { optional: PAGE },
  prompt: {
    required: { prompt: text(1, 100_000) },
    optional: { providerId: id, profileId: id, model: text(1, 300), temperature: number(0, 2), maxTokens: integer(1, 100_000) }
  },
  chat: { required: { request: plain }, optional: { providerId: id, profileId: id, service: id } },
  models: { optional: { profileId: id, providerId: id, service: id } },
  job: { required: { kind: id, params: plain }, optional: { priority: integer(-1_000, 1_000), jobId: id } },
  jobResult: { required: { jobId: id }, optional: PAGE },
  anything: {},
  createProfile: { required: named, optional: PROFILE },
  updateProfile: { required: { id: uuid }, optional: { ...named, ...PROFILE } },
  deleteProfile: { required: { id: uuid }, optional: { activateAlternateId: uuid } },
  profile: { required: { id: uuid } },
  testPrompt: { optional: { profileId: uuid, promptText: text(1, 10_000) } },
  discover: { optional: { force: flag } }
} satisfies Record<string, Rules>

/** `value` as a new object without its undefined fields. Throws `VALIDATION_ERROR`. */
export function checked(value: unknown, rules: Rules): Fields {
  if (!isObject(value)) throw invalid({ path: 'request', reason: 'must be an object' })
  const fields = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
  const problems: Problem[] = []
  for (const [name, check] of Object.entries(rules.required ?? {})) {
    problems.push(...(Object.hasOwn(fields, name) ? check(fields[name], name) : one(name, 'is missing')))
  }
  for (const [name, check] of Object.entries(rules.optional ?? {})) {
    if (Object.hasOwn(fields, name)) problems.push(...check(fields[name], name))
  }
  if (problems.length > 0) throw invalid(...problems.slice(0, 20))
  return fields
}

/** `value` if it fits. Throws `VALIDATION_ERROR`. */
export function checkedValue<T>(value: unknown, path: string, check: Check): T {
  const problems = check(value, path)
  if (problems.length > 0) throw invalid(...problems)
  return value as T
}

function isObject(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
