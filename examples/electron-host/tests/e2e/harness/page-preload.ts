/**
 * The real preload code in a page without Electron: a socket where `ipcRenderer` would be, and a context bridge that
 * copies as Electron's does (values are cloned, an error keeps only its message, the api is frozen).
 */
import { exposeLlm } from '../../../src/preload/expose'
import type { IpcRendererLike } from '../../../src/shared/transport'
import { decode, encode, type ToPage } from './wire'

declare const HARNESS_SOCKET: string

type Listener = (event: unknown, ...args: unknown[]) => void

function ipcOverSocket(address: string): IpcRendererLike {
  const socket = new WebSocket(address)
  const opened = new Promise<void>((resolve) => socket.addEventListener('open', () => resolve()))
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const listeners = new Map<string, Listener[]>()
  let lastId = 0

  socket.addEventListener('message', ({ data }) => {
    const told = decode(String(data)) as ToPage
    if ('channel' in told) return void listeners.get(told.channel)?.forEach((listener) => listener({}, ...told.args))
    const asked = waiting.get(told.id)
    waiting.delete(told.id)
    if ('failure' in told) asked?.reject(new Error(told.failure))
    else asked?.resolve(told.result)
  })

  return {
    async invoke(channel, ...args) {
      const cloned = structuredClone(args)
      await opened
      const id = ++lastId
      const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
      socket.send(encode({ id, channel, args: cloned }))
      return answer
    },
    on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
    removeListener: (channel, listener) =>
      listeners.set(channel, (listeners.get(channel) ?? []).filter((each) => each !== listener))
  }
}

/** As a value crosses Electron's context bridge. */
function copied(value: unknown): unknown {
  if (typeof value === 'function') return crossing(value as (...args: unknown[]) => unknown)
  if (value instanceof Promise) return value.then(copied, (error: unknown) => { throw new Error(error instanceof Error ? error.message : String(error)) })
  if (Array.isArray(value)) return value.map(copied)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)]))
}

function crossing(real: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    try {
      return copied(real(...args.map(copied)))
    } catch (error) {
      throw new Error(error instanceof Error ? error.message : String(error))
    }
  }
}

if (window.top === window && location.protocol === 'http:') {
  exposeLlm(
    {
      exposeInMainWorld(name, api) {
        const functions = Object.entries(api as object).map(([key, real]) => [key, copied(real)])
        Object.defineProperty(window, name, { value: Object.freeze(Object.fromEntries(functions)), enumerable: true })
      }
    },
    ipcOverSocket(HARNESS_SOCKET)
  )
}
