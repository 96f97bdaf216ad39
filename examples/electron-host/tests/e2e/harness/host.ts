/** An app under test: windows, and the sidecar behind them. The same scenarios run on every kind. */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { ElectronHost } from './electron-host'
import { WebHost } from './web-host'

/** For what is waited for: on a loaded machine; nothing waits for it when all is well. Below the tests' own (`vitest.config.ts`). */
export const DEADLINE_MS = 30_000

export interface HostOptions {
  /** Another sidecar: a program and its first arguments. */
  command?: string[]
  colorScheme?: 'light' | 'dark'
  reducedMotion?: 'reduce'
  dataDir?: string
  /** False: the computer has no key store. */
  keyStore?: boolean
  /** Of `SidecarProcess`, where the kind of host lets them be set. */
  times?: Record<string, number>
  restart?: Record<string, number>
}

export interface Host {
  openWindow(hash?: string): Promise<Page>
  /** Of the sidecar that runs now. */
  sidecarPid(): number | undefined
  close(): Promise<void>
}

const ROOT = resolve(import.meta.dirname, '../../..')
export const PYTHON = process.env['LLM_SIDECAR_PYTHON'] ?? resolve(ROOT, '../../.venv/bin/python')
export const REAL = [PYTHON, '-m', 'llm_sidecar']

const named = process.env['CHROMIUM_PATH'] ?? ''
const PLACES = named === '' ? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'] : [named]
export const chromiumPath = PLACES.find(isProgram)

/** The binary, where the package has it and the app is built. */
export const electronPath = ((): string | undefined => {
  const folder = join(ROOT, 'node_modules/electron')
  const file = join(folder, 'path.txt')
  if (!existsSync(file) || !existsSync(join(ROOT, 'out/main/index.js'))) return undefined
  const path = join(folder, 'dist', readFileSync(file, 'utf8').trim())
  return isProgram(path) ? path : undefined
})()

export interface Kind {
  name: string
  missing: string | null
  start(options?: HostOptions): Promise<Host>
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'llm-e2e-'))

export const KINDS: Kind[] = [
  {
    name: 'chromium',
    missing: chromiumPath === undefined ? 'no Chromium was found (apt-get install chromium, or CHROMIUM_PATH)' : null,
    start: (options = {}) => WebHost.start(chromiumPath!, { command: REAL, dataDir: folder(), ...options })
  },
  {
    name: 'electron',
    missing: electronPath === undefined ? 'no Electron binary was found, or the app is not built' : null,
    start: (options = {}) => ElectronHost.start(electronPath!, ROOT, { command: REAL, dataDir: folder(), ...options })
  }
]

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
