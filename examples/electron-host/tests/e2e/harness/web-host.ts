/**
 * The app without Electron: the built page in Chromium, the real preload code, bridge, supervisor and sidecar.
 *
 * Law: the one thing in Electron's place is the transport; so the one difference in the page's policy is that its socket
 * is allowed.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { WebSocketServer } from 'ws'
import { findSidecar } from '../../../src/main/find-sidecar'
import { LlmIpc } from '../../../src/main/llm-ipc'
import { pageFile } from '../../../src/main/page-files'
import { SidecarProcess } from '../../../src/main/sidecar-process'
import { vaultKey, type SafeStorageLike } from '../../../src/main/vault-key'
import { isSamePlace } from '../../../src/main/window-guards'
import { DEADLINE_MS, type Host, type HostOptions } from './host'
import { SocketIpc } from './socket-ipc'
import { PAGE_FOLDER, PRELOAD_FOLDER } from './built'

const NO_KEY_STORE: SafeStorageLike = {
  isAsyncEncryptionAvailable: async () => false,
  encryptStringAsync: () => Promise.reject(new Error('There is no key store.')),
  decryptStringAsync: () => Promise.reject(new Error('There is no key store.'))
}
const VAULT_KEY = Buffer.alloc(32, 7).toString('base64')

export class WebHost implements Host {
  private readonly ipc = new SocketIpc()
  private readonly windows: Array<{ page: Page; close(): void }> = []

  private constructor(
    private readonly options: HostOptions,
    private readonly browser: Browser,
    private readonly server: Server,
    private readonly sockets: WebSocketServer,
    private readonly sidecar: SidecarProcess,
    private readonly bridge: { current: LlmIpc | null } = { current: null }
  ) {}

  static async start(executablePath: string, options: HostOptions): Promise<WebHost> {
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
    const args = [...asRoot, '--enable-precise-memory-info', '--force-color-profile=srgb', '--font-render-hinting=none']
    const browser = await chromium.launch({ executablePath, args })
    const server = createServer((request, response) => void serve(request.url ?? '/', request.method ?? 'GET', server, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const sockets = new WebSocketServer({ server })
    const host = new WebHost(options, browser, server, sockets, supervisor(options))
    host.run()
    return host
  }

  private run(): void {
    const bridge = new LlmIpc(this.ipc, this.sidecar, { isTrusted: (url) => isSamePlace(url, this.address), log: () => undefined })
    this.bridge.current = bridge
    bridge.register()
    this.sockets.on('connection', (socket, request) => this.ipc.accept(socket, request))
    this.sidecar.start()
  }

  private get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async openWindow(hash = ''): Promise<Page> {
    const { colorScheme = 'light', reducedMotion } = this.options
    const context = await this.browser.newContext({
      viewport: { width: 1180, height: 760 },
      colorScheme,
      reducedMotion: reducedMotion ?? 'no-preference',
      permissions: ['clipboard-write']
    })
    context.setDefaultTimeout(DEADLINE_MS)
    const page = await context.newPage()
    const contents = this.ipc.newContents(`${this.address}/index.html`)
    this.bridge.current?.addWindow(contents)
    const socket = `${this.address.replace('http', 'ws')}/${contents.token}`
    const preload = readFileSync(join(PRELOAD_FOLDER, 'page-preload.js'), 'utf8')
    await page.addInitScript({ content: `{ const HARNESS_SOCKET = ${JSON.stringify(socket)};\n${preload}\n}` })
    page.on('close', () => contents.destroy())
    await page.goto(`${this.address}/index.html${hash}`)
    this.windows.push({ page, close: () => contents.destroy() })
    return page
  }

  sidecarPid(): number | undefined {
    return this.sidecar.pid
  }

  async close(): Promise<void> {
    await this.browser.close()
    for (const window of this.windows) window.close()
    await this.sidecar.stop()
    this.sockets.close()
    for (const socket of this.sockets.clients) socket.terminate()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

function supervisor({ command, dataDir, keyStore = true, times = {}, restart = {} }: HostOptions): SidecarProcess {
  const env = { PATH: process.env['PATH'] ?? '', HOME: dataDir!, LLM_SIDECAR_COMMAND: JSON.stringify(command) }
  return new SidecarProcess({
    findCommand: () => findSidecar({ env, platform: process.platform, packaged: false, resourcesPath: '/nowhere', startFolder: dataDir! }),
    dataDir: join(dataDir!, 'sidecar'),
    client: { name: 'e2e', version: '1' },
    vaultKey: () => (keyStore ? Promise.resolve({ key: VAULT_KEY, problem: null }) : vaultKey(NO_KEY_STORE, join(dataDir!, 'vault-key'), [])),
    log: process.env['E2E_LOG'] === undefined ? () => undefined : (line) => console.error(JSON.stringify(line)),
    env,
    times,
    restart
  })
}

async function serve(url: string, method: string, server: Server, response: import('node:http').ServerResponse): Promise<void> {
  const { port } = server.address() as AddressInfo
  const file = await pageFile(PAGE_FOLDER, { url: `http://127.0.0.1:${port}${url}`, method })
  const headers = Object.fromEntries(file.headers)
  const policy = headers['content-security-policy']
  if (policy !== undefined) headers['content-security-policy'] = policy.replace("connect-src 'none'", `connect-src ws://127.0.0.1:${port}`)
  response.writeHead(file.status, headers).end(Buffer.from(await file.arrayBuffer()))
}
