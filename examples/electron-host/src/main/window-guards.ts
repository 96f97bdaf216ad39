/**
 * What a page may not do, whoever wrote it.
 *
 * Law: a page stays where it was loaded and opens nothing; a link to the web (`https:`) goes to the user's browser; no
 * permission but writing text to the clipboard is given.
 */
const CLIPBOARD_WRITE = 'clipboard-sanitized-write'

interface Preventable {
  preventDefault(): void
}

/** The part of Electron's `webContents` that is guarded. */
export interface GuardedContents {
  readonly session: {
    setPermissionRequestHandler(
      handler: ((contents: unknown, permission: string, answer: (granted: boolean) => void) => void) | null
    ): void
    setPermissionCheckHandler(handler: ((contents: unknown, permission: string) => boolean) | null): void
  }
  setWindowOpenHandler(handler: (details: { url: string }) => { action: 'deny' }): void
  on(event: 'will-navigate' | 'will-redirect' | 'will-frame-navigate', listener: (details: Preventable) => void): unknown
  on(event: 'will-attach-webview', listener: (event: Preventable) => void): unknown
}

export function guard(contents: GuardedContents, openInBrowser: (url: string) => void): void {
  const stay = (event: Preventable): void => event.preventDefault()
  contents.on('will-navigate', stay)
  contents.on('will-redirect', stay)
  contents.on('will-frame-navigate', stay)
  contents.on('will-attach-webview', stay)
  contents.setWindowOpenHandler(({ url }) => {
    if (isWeb(url)) openInBrowser(url)
    return { action: 'deny' }
  })
  contents.session.setPermissionRequestHandler((_contents, permission, answer) => answer(permission === CLIPBOARD_WRITE))
  contents.session.setPermissionCheckHandler((_contents, permission) => permission === CLIPBOARD_WRITE)
}

/** Whether `url` has the scheme and host (with its port) of `page`, whatever its path. */
export function isSamePlace(url: string, page: string): boolean {
  if (!URL.canParse(url)) return false
  const [asked, own] = [new URL(url), new URL(page)]
  return asked.protocol === own.protocol && asked.host === own.host && asked.username === '' && asked.password === ''
}

function isWeb(url: string): boolean {
  return URL.canParse(url) && new URL(url).protocol === 'https:'
}
