/** Main process and pages in one process: the real code on both sides, structured clone between them. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LlmIpc } from '../../src/main/llm-ipc'
import { SidecarProcess, type SidecarOptions } from '../../src/main/sidecar-process'
import { createApis } from '../../src/preload/expose'
import type { InvokeEventLike, IpcMainLike, IpcRendererLike, WebContentsLike } from '../../src/shared/transport'

const PYTHON = process.env['LLM_SIDECAR_PYTHON'] ?? resolve(import.meta.dirname, '../../../../.venv/bin/python')
const PAGE = 'app://host/index.html'

export const REAL = { file: PYTHON, args: ['-m', 'llm_sidecar'], source: 'setting' as const }

export function sidecarProcess(options: Partial<SidecarOptions> = {}): SidecarProcess {
  return new SidecarProcess({
    findCommand: () => REAL,
    dataDir: mkdtempSync(join(tmpdir(), 'host-')),
    client: { name: 'tests', version: '1' },
    vaultKey: async () => ({ key: null, problem: 'none' }),
    log: () => undefined,
    ...options
  })
}

export class Transport implements IpcMainLike {
  private readonly handlers = new Map<string, (event: InvokeEventLike, ...args: unknown[]) => unknown>()
  private nextId = 1
  handle(channel: string, handler: (event: InvokeEventLike, ...args: unknown[]) => unknown): void {
    this.handlers.set(channel, handler)
  }
  removeHandler(channel: string): void {
    this.handlers.delete(channel)
  }

  page(bridge: LlmIpc) {
    const listeners = new Map<string, Array<(event: unknown, payload: unknown) => void>>()
    const goneListeners: Array<() => void> = []
    let destroyed = false
    const contents: WebContentsLike = {
      id: this.nextId++,
      isDestroyed: () => destroyed,
      send: (channel, ...args) => {
        const [payload] = structuredClone(args)
        setImmediate(() => listeners.get(channel)?.forEach((listener) => listener({}, payload)))
      },
      on: (event, listener) => event === 'destroyed' && goneListeners.push(listener)
    }
    const invoke = async (channel: string, ...args: unknown[]): Promise<unknown> => {
      const event = { sender: contents, senderFrame: { url: PAGE, parent: null } }
      return structuredClone(await this.handlers.get(channel)!(event, ...structuredClone(args)))
    }
    const ipc: IpcRendererLike = {
      invoke,
      on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
      removeListener: () => undefined
    }
    bridge.addWindow(contents)
    const close = (): void => {
      destroyed = true
      goneListeners.forEach((listener) => listener())
    }
    return { ...createApis(ipc), invoke, close }
  }
}

export const isTrusted = (url: string): boolean => url === PAGE
