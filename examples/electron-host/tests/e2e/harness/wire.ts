/**
 * What travels between the harness and its pages: JSON that keeps `undefined`, and refuses what JSON would change.
 *
 * Law: both sides clone by the platform's own structured clone first, so that what Electron could not send fails here,
 * too; whatever is cloned but is not JSON fails by name rather than arriving as something else.
 */
export type ToHost = { id: number; channel: string; args: unknown[] }
export type ToPage = { id: number; result: unknown } | { id: number; failure: string } | { channel: string; args: unknown[] }

const UNDEFINED = { $: 'undefined' }

export function encode(message: ToHost | ToPage): string {
  return JSON.stringify(message, function (this: Record<string, unknown>, key, _told: unknown) {
    const value = this[key] // Not what its `toJSON` made of it.
    if (value === undefined) return UNDEFINED
    if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('The harness does not carry NaN or Infinity.')
    if (typeof value === 'bigint' || (typeof value === 'object' && value !== null && !isPlain(value))) {
      throw new TypeError(`The harness does not carry a ${Object.prototype.toString.call(value)}.`)
    }
    return value
  })
}

export function decode(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && Reflect.get(value, '$') === 'undefined' ? undefined : value
  )
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null
}
