/**
 * The main process: one sidecar, one bridge, and windows.
 *
 * Law: the only file that knows everyone. The app ends only after the sidecar has.
 */
import { join } from 'node:path'
import { app, BrowserWindow, ipcMain, protocol, safeStorage } from 'electron'
import { findSidecar } from './find-sidecar'
import { LlmIpc } from './llm-ipc'
import { logFile } from './log-file'
import { PAGE_SCHEME, PAGE_URL, pageFile } from './page-files'
import { SidecarProcess } from './sidecar-process'
import { vaultFilesIn, vaultKey } from './vault-key'
import { createWindow } from './window'
import { isSamePlace } from './window-guards'

const PRELOAD = join(import.meta.dirname, '../preload/index.cjs')
const PAGE_FOLDER = join(import.meta.dirname, '../renderer')
/** Set by `electron-vite dev`. */
const DEV_PAGE = app.isPackaged ? undefined : process.env['ELECTRON_RENDERER_URL']
const page = DEV_PAGE ?? PAGE_URL

app.enableSandbox()
protocol.registerSchemesAsPrivileged([{ scheme: PAGE_SCHEME, privileges: { standard: true, secure: true } }])

if (app.requestSingleInstanceLock()) void run()
else app.quit()

async function run(): Promise<void> {
  await app.whenReady()
  const userData = app.getPath('userData')
  const dataDir = join(userData, 'sidecar')
  const log = logFile(join(app.getPath('logs'), 'llm-sidecar.log'))
  const sidecar = new SidecarProcess({
    findCommand: () =>
      findSidecar({
        env: process.env,
        platform: process.platform,
        packaged: app.isPackaged,
        resourcesPath: process.resourcesPath,
        startFolder: app.getAppPath()
      }),
    dataDir,
    client: { name: app.getName(), version: app.getVersion() },
    vaultKey: () => vaultKey(safeStorage, join(userData, 'vault-key'), vaultFilesIn(dataDir)),
    log
  })
  const bridge = new LlmIpc(ipcMain, sidecar, { isTrusted: (url) => isSamePlace(url, page), log })
  const open = (): void => bridge.addWindow(createWindow(PRELOAD, page).webContents)

  protocol.handle(PAGE_SCHEME, (request) => pageFile(PAGE_FOLDER, request))
  bridge.register()
  sidecar.start()
  open()

  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) open()
  })
  app.on('second-instance', () => open())
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit()
  })
  let ended = false
  app.on('will-quit', (event) => {
    if (ended) return
    event.preventDefault()
    void sidecar.stop().finally(() => {
      ended = true
      app.quit()
    })
  })
}
