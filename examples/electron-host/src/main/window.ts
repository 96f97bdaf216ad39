/**
 * A window: isolated, sandboxed, and guarded.
 *
 * Law: its page has no Node, no way out, and nothing of the app but what the preload gives it.
 */
import { BrowserWindow, shell } from 'electron'
import { guard } from './window-guards'

export function createWindow(preload: string, page: string): BrowserWindow {
  const window = new BrowserWindow({
    width: 1100,
    height: 760,
    minWidth: 480,
    minHeight: 360,
    show: false,
    webPreferences: {
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      navigateOnDragDrop: false
    }
  })
  guard(window.webContents, (url) => void shell.openExternal(url))
  window.once('ready-to-show', () => window.show())
  void window.loadURL(page)
  return window
}
