/**
 * Main process and pages in one process: the real code on both sides, structured clone between them, the real sidecar
 * behind them.
 *
 * Law: nothing here waits for time to pass. What takes time in the app (health, handshakes, pauses) is driven by
 * `hurry`, which holds the app's timers while the sidecar lives in real time.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, vi } from 'vitest'
import type { SidecarCommand } from '../../src/main/find-sidecar'
import { LlmIpc, type LlmIpcOptions } from '../../src/main/llm-ipc'
import { SidecarProcess, type SidecarOptions } from '../../src/main/sidecar-process'
import type { LogEntry } from '../../src/main/stderr-log'
import { createApis } from '../../src/preload/expose'
import type { SidecarState } from '../../src/shared/api'
import { llmErrorOf } from '../../src/shared/llm-error'
import type { FrameLike, InvokeEventLike, IpcMainLike, IpcRendererLike, WebContentsLike } from '../../src/shared/transport'

const PYTHON = process.env['LLM_SIDECAR_PYTHON'] ?? resolve(import.meta.dirname, '../../../../.venv/bin/python')
export const PAGE = 'app://host/index.html'

export const REAL: SidecarCommand = { file: PYTHON, args: ['-m', 'llm_sidecar'], source: 'setting' }

/** A program in the sidecar's place: JavaScript, with `hello(result)` to answer the handshake. */
export function program(script: string): SidecarCommand {
  const hello = `
    const fits = { protocolVersion: 1, server: { name: 'llm-sidecar', version: '1' }, capabilities: {},
      encryption: { available: false, source: null }, limits: {}, providers: [] }
    const line = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
    const hello = (result = fits) => line({ id: 1, result })
    process.stdin.on('end', () => process.exit(0))
  `
  return { file: process.execPath, args: ['-e', hello + script, '--'], source: 'setting' }
}

export const folder = (): string => mkdtempSync(join(tmpdir(), 'host-'))

export function sidecarProcess(options: Partial<SidecarOptions> = {}): SidecarProcess {
  return new SidecarProcess({
    findCommand: () => REAL,
    dataDir: folder(),
    client: { name: 'tests', version: '1' },
    vaultKey: async () => ({ key: null, problem: 'none' }),
    log: () => undefined,
    ...options
  })
}

/** `setTimeout` of the app, by hand: `await hurry(ms)` lets that much time pass for it; `vi.useRealTimers()` ends it. */
export function holdTimers(): (ms: number) => Promise<unknown> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  return (ms) => vi.advanceTimersByTimeAsync(ms)
}

/** The first state that is now, or comes, and fits. */
export function state<S extends SidecarState['state']>(
  sidecar: SidecarProcess,
  name: S,
  fits: (state: Extract<SidecarState, { state: S }>) => boolean = () => true
): Promise<Extract<SidecarState, { state: S }>> {
  return new Promise((resolve) => {
    const look = (now: SidecarState): void => {
      const named = now as Extract<SidecarState, { state: S }>
      if (now.state !== name || !fits(named)) return
      end()
      resolve(named)
    }
    const end = sidecar.states.add(look)
    look(sidecar.state)
  })
}

/** A log that can be read, and waited for. */
export function readableLog() {
  const entries: LogEntry[] = []
  const waiting = new Set<() => void>()
  const log = (entry: LogEntry): void => {
    entries.push(entry)
    for (const look of [...waiting]) look()
  }
  const has = (fits: (entry: LogEntry) => boolean): Promise<LogEntry> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = entries.find(fits)
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return { entries, log, has }
}

/** An app: a sidecar, the bridge, and pages. */
export function app(options: Partial<SidecarOptions> = {}, bridging: Partial<LlmIpcOptions> = {}) {
  const sidecar = sidecarProcess(options)
  const transport = new Transport()
  const bridge = new LlmIpc(transport, sidecar, { isTrusted, log: () => undefined, ...bridging })
  bridge.register()
  sidecar.start()
  return { sidecar, transport, bridge, page: (place?: Place) => transport.page(bridge, place) }
}

/** Where a page asks from. */
export interface Place {
  frame?: FrameLike | null
  /** False: a window that the bridge was never told of. */
  added?: boolean
}

export type TestPage = ReturnType<Transport['page']>

export class Transport implements IpcMainLike {
  readonly handlers = new Map<string, (event: InvokeEventLike, ...args: unknown[]) => unknown>()
  private nextId = 1

  handle(channel: string, handler: (event: InvokeEventLike, ...args: unknown[]) => unknown): void {
    this.handlers.set(channel, handler)
  }

  removeHandler(channel: string): void {
    this.handlers.delete(channel)
  }

  page(bridge: LlmIpc, { frame = { url: PAGE, parent: null }, added = true }: Place = {}) {
    const goneListeners = new Map<string, Array<() => void>>()
    let destroyed = false
    let taking = true
    let listeners = new Map<string, Array<(event: unknown, payload: unknown) => void>>()
    const sent: Array<{ channel: string; payload: unknown }> = []
    const contents: WebContentsLike = {
      id: this.nextId++,
      isDestroyed: () => destroyed,
      send: (channel, ...args) => {
        const [payload] = structuredClone(args)
        sent.push({ channel, payload })
        const here = listeners
        setImmediate(() => {
          if (taking) here.get(channel)?.forEach((listener) => listener({}, payload))
        })
      },
      on: (event, listener) => goneListeners.set(event, [...(goneListeners.get(event) ?? []), listener])
    }
    const invoke = async (channel: string, ...args: unknown[]): Promise<unknown> => {
      const event = { sender: contents, senderFrame: frame }
      return structuredClone(await this.handlers.get(channel)!(event, ...structuredClone(args)))
    }
    const load = () => {
      listeners = new Map()
      const here = listeners
      const ipc: IpcRendererLike = {
        invoke,
        on: (channel, listener) => here.set(channel, [...(here.get(channel) ?? []), listener]),
        removeListener: () => undefined
      }
      return createApis(ipc)
    }
    const tell = (event: string): void => goneListeners.get(event)?.forEach((listener) => listener())
    if (added) bridge.addWindow(contents)
    return {
      ...load(),
      invoke,
      contents,
      /** Everything that was sent to it, taken or not. */
      sent,
      /** The window is closed. */
      close: (): void => {
        destroyed = true
        tell('destroyed')
      },
      /** Its process died; the window stays. */
      crash: (): void => tell('render-process-gone'),
      /** The page is loaded again: new functions, and nothing of the old ones is called any more. */
      reload: load,
      /** From now on it takes nothing: what is sent to it is lost. */
      hang: (): void => { taking = false }
    }
  }
}

export const isTrusted = (url: string): boolean => url === PAGE

export const ask = (content: string) => ({ providerId: 'demo', messages: [{ role: 'user' as const, content }] })

export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => 'no error', (error: unknown) => llmErrorOf(error).code)

/** `done`, or the code of the error that ends it; to be called in the turn in which the id is known. */
export const ended = (page: Pick<TestPage, 'llm'>, id: string): Promise<string> =>
  new Promise((resolve) => {
    page.llm.onLlmDone((event) => event.inferenceId === id && resolve('done'))
    page.llm.onLlmError((event) => event.inferenceId === id && resolve(event.code))
  })

/** Until the answer `id` has begun to be written. */
export const begun = (page: Pick<TestPage, 'llm'>, id: string): Promise<void> =>
  new Promise((resolve) => { page.llm.onLlmToken((event) => event.inferenceId === id && resolve()) })

/** Asks again, as soon as the answer is there, until `wanted` holds; the test's own deadline ends it. */
export async function until<T>(look: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look()
    if (wanted(value)) return value
  }
}

/** Whether a process is there (a zombie is not). */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export function expectRefusal(answer: unknown, code: string): void {
  expect(answer).toMatchObject({ success: false, error: { code } })
  expect(Object.keys(answer as object).sort()).toEqual(['error', 'success', 'timestamp'])
}
