/** The app in Electron, as it is shipped, driven by Playwright. */
import { execFileSync } from 'node:child_process'
import { _electron, type ElectronApplication, type Page } from 'playwright-core'
import type { Host, HostOptions } from './host'

export class ElectronHost implements Host {
  private opened = 0

  private constructor(private readonly app: ElectronApplication) {}

  static async start(executablePath: string, root: string, options: HostOptions): Promise<ElectronHost> {
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
    const app = await _electron.launch({
      executablePath,
      args: [...asRoot, ...(options.keyStore === false ? ['--password-store=basic'] : []), `--user-data-dir=${options.dataDir}`, root],
      colorScheme: options.colorScheme ?? 'light',
      env: { ...(process.env as Record<string, string>), LLM_SIDECAR_COMMAND: JSON.stringify(options.command) }
    })
    return new ElectronHost(app)
  }

  async openWindow(hash = ''): Promise<Page> {
    const first = this.opened++ === 0
    const next = first ? this.app.firstWindow() : this.app.waitForEvent('window')
    if (!first) await this.app.evaluate(({ app }) => app.emit('second-instance'))
    const page = await next
    if (hash !== '') await page.evaluate((to) => { location.hash = to }, hash)
    return page
  }

  /** The one child of the main process that is a sidecar. */
  sidecarPid(): number | undefined {
    const parent = this.app.process().pid
    const children = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' })
    const line = children.split('\n').find((each) => each.includes('--data-dir'))
    return line === undefined ? undefined : Number.parseInt(line, 10)
  }

  async close(): Promise<void> {
    await this.app.close()
  }
}
