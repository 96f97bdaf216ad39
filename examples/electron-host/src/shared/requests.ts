/**
 * What a window can ask for, and the params that its arguments become.
 *
 * Law: every method a window may call is here, by the compiler's word; what is not is not registered. The same entry
 * checks in the preload (early, for the page's developer) and in the main process (for real).
 */
import type { WindowMethod } from './channels'
import { checked, checkedValue, id, integer, RULES } from './validation'

type Fields = Record<string, unknown>
type Arguments = (args: unknown[]) => Fields

const fields = (rules: Parameters<typeof checked>[1]): Arguments => ([first]) => checked(first, rules)
const optional = (rules: Parameters<typeof checked>[1]): Arguments => ([first]) => checked(first ?? {}, rules)
const idAs = (name: string): Arguments => ([first]) => ({ [name]: checkedValue(first, name, id) })
const nothing: Arguments = () => ({})

/** A form's empty field means that there is no key. */
function withoutEmptyKey(payload: Fields): Fields {
  const { apiKey, ...rest } = payload
  return apiKey === '' || apiKey === undefined ? rest : payload
}

/** Each throws `VALIDATION_ERROR`. */
export const REQUESTS: Record<WindowMethod, Arguments> = {
  'llm:inference': fields(RULES.inference),
  'llm:cancel': idAs('inferenceId'),
  'llm:inference:attach': ([inferenceId, fromSeq]) => ({
    inferenceId: checkedValue(inferenceId, 'inferenceId', id),
    fromSeq: checkedValue(fromSeq, 'fromSeq', integer(0, Number.MAX_SAFE_INTEGER))
  }),
  'llm:generate-text': fields(RULES.prompt),
  'llm:chat:completions': fields(RULES.chat),
  'llm:get-status': nothing,

  'llm:session:create': fields(RULES.sessionConfig),
  'llm:session:run': fields(RULES.sessionRun),
  'llm:session:destroy': idAs('sessionId'),
  'llm:session:list': optional(RULES.page),
  'llm:session:get': idAs('sessionId'),
  'llm:session:history': fields(RULES.history),
  'llm:session:fork': fields(RULES.fork),

  'llm:profiles:list': nothing,
  'llm:profiles:create': ([payload]) => withoutEmptyKey(checked(payload, RULES.createProfile)),
  'llm:profiles:update': fields(RULES.updateProfile),
  'llm:profiles:delete': fields(RULES.deleteProfile),
  'llm:profiles:activate': fields(RULES.profile),
  'llm:profiles:test': optional(RULES.testPrompt),
  'llm:profiles:discover': optional(RULES.discover),
  'llm:vault:status': nothing,

  'llm:providers:list': nothing,
  'llm:models:list': optional(RULES.models),

  'llm:job:submit': fields(RULES.job),
  'llm:job:get': idAs('jobId'),
  'llm:job:list': optional(RULES.page),
  'llm:job:cancel': idAs('jobId'),
  'llm:job:result': fields(RULES.jobResult),

  'llm:usage:summary': optional(RULES.anything),
  'llm:usage:list': optional(RULES.page),
  'llm:budget:set': fields(RULES.anything),
  'llm:budget:get': nothing,
  'llm:audit:list': optional(RULES.page)
}

/** The methods a window can call. */
export const WINDOW_METHODS = Object.keys(REQUESTS) as WindowMethod[]
