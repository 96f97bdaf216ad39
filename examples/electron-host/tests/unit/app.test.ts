/** `main/index.ts` as it is, on a stand-in for the module `electron`: a real sidecar, a window, and the app's end. */
import { EventEmitter } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { IpcResult } from '../../src/shared/ipc-result'
import type { SidecarState } from '../../src/shared/api'
import type { LogEntry } from '../../src/main/stderr-log'
import { alive, PAGE, REAL } from '../support/bridge'

type Handler = (event: unknown, ...args: unknown[]) => Promise<IpcResult<unknown>>

const electron = vi.hoisted(() => ({
  handlers: new Map<string, unknown>(),
  schemes: [] as unknown[],
  page: null as null | ((request: { url: string; method: string }) => Promise<Response>),
  windows: [] as Array<{ options: Record<string, unknown>; webContents: EventEmitter; loaded: string[]; shown: boolean; emit(name: string): boolean }>,
  app: null as unknown as EventEmitter & { quits: number; sandboxed: boolean; quit(): void }
}))

vi.mock('electron', async () => {
  const { EventEmitter: Emitter } = await import('node:events')
  const user = mkdtempSync(join(tmpdir(), 'app-'))
  const app = Object.assign(new Emitter(), {
    quits: 0,
    sandboxed: false,
    isPackaged: false,
    enableSandbox: () => { app.sandboxed = true },
    requestSingleInstanceLock: () => true,
    whenReady: async () => undefined,
    getPath: (name: string) => join(user, name),
    getAppPath: () => resolve(import.meta.dirname, '../..'),
    getName: () => 'test',
    getVersion: () => '1',
    quit: () => {
      let prevented = false
      app.emit('will-quit', { preventDefault: () => { prevented = true } })
      if (!prevented) app.quits += 1
    }
  })
  electron.app = app
  class BrowserWindow extends Emitter {
    static getAllWindows = (): unknown[] => electron.windows
    readonly loaded: string[] = []
    readonly sent: Array<[string, unknown]> = []
    readonly webContents = Object.assign(new Emitter(), {
      id: electron.windows.length + 1,
      isDestroyed: () => false,
      send: (channel: string, payload: unknown) => this.sent.push([channel, payload]),
      setWindowOpenHandler: () => undefined,
      session: { setPermissionRequestHandler: () => undefined, setPermissionCheckHandler: () => undefined }
    })
    shown = false
    constructor(readonly options: Record<string, unknown>) {
      super()
      electron.windows.push(this)
    }
    loadURL(url: string): Promise<void> {
      this.loaded.push(url)
      return Promise.resolve()
    }
    show(): void {
      this.shown = true
    }
  }
  return {
    app,
    BrowserWindow,
    ipcMain: { handle: (channel: string, handler: unknown) => electron.handlers.set(channel, handler), removeHandler: () => undefined },
    protocol: {
      registerSchemesAsPrivileged: (schemes: unknown[]) => electron.schemes.push(...schemes),
      handle: (_scheme: string, handler: typeof electron.page) => { electron.page = handler }
    },
    safeStorage: {
      isAsyncEncryptionAvailable: async () => true,
      encryptStringAsync: async (text: string) => Buffer.from(text).reverse(),
      decryptStringAsync: async (bytes: Buffer) => ({ result: Buffer.from(bytes).reverse().toString(), shouldReEncrypt: false })
    },
    shell: { openExternal: async () => undefined }
  }
})

test('the app: one isolated window on its own page, a sidecar with an encrypted vault, a second window for a second start; it ends after the sidecar', async () => {
  vi.stubEnv('LLM_SIDECAR_COMMAND', JSON.stringify([REAL.file, ...REAL.args]))
  await import('../../src/main/index')
  const { app, windows, handlers } = electron
  await vi.waitUntil(() => windows.length > 0)
  expect(app.sandboxed).toBe(true)
  expect(electron.schemes).toEqual([{ scheme: 'app', privileges: { standard: true, secure: true } }])
  const [window] = windows
  expect(window!.loaded).toEqual([PAGE])
  expect(window!.options['webPreferences']).toMatchObject({ contextIsolation: true, sandbox: true, nodeIntegration: false, webSecurity: true, webviewTag: false })
  expect(window!.options['show']).toBe(false)
  window!.emit('ready-to-show')
  expect(window!.shown).toBe(true)
  expect((await electron.page!({ url: 'app://host/../secret', method: 'GET' })).status).toBe(404)

  const ask = async (channel: string, ...args: unknown[]): Promise<unknown> => {
    const answer = await (handlers.get(channel) as Handler)({ sender: window!.webContents, senderFrame: { url: PAGE, parent: null } }, ...args)
    if (!answer.success) throw new Error(answer.error.code)
    return answer.data
  }
  expect(await ask('llm:get-status')).toMatchObject({ activeInferences: 0 })
  expect(await ask('llm:sidecar:get-state')).toMatchObject({ state: 'ready', encryptionAvailable: true, keyWarning: null } satisfies Partial<SidecarState>)
  await ask('llm:profiles:create', { name: 'Canary', providerType: 'openai', apiKey: 'sk-canary-0123456789' })
  const user = (app as unknown as { getPath(name: string): string }).getPath('userData')
  expect(existsSync(join(user, 'vault-key'))).toBe(true)
  for (const name of ['keys.vault', 'keys.vault.1']) {
    const file = join(user, 'sidecar/vault', name)
    if (existsSync(file)) expect(readFileSync(file, 'latin1')).not.toContain('canary')
  }

  app.emit('second-instance')
  app.emit('activate')
  expect(windows).toHaveLength(2)

  const log = join((app as unknown as { getPath(name: string): string }).getPath('logs'), 'llm-sidecar.log')
  const entries = (): LogEntry[] => readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as LogEntry)
  const pid = Number(entries().find(({ event }) => event === 'sidecar started')?.['pid'])
  expect(alive(pid)).toBe(true)
  app.emit('window-all-closed')
  expect(app.quits).toBe(0) // Not before the sidecar has ended.
  await vi.waitUntil(() => app.quits === 1, { timeout: 20_000 })
  expect(alive(pid)).toBe(false)
  expect(readFileSync(log, 'utf8')).not.toContain('canary')
})
