/** What a page may not do, asked of the guards as Electron asks them. */
import { expect, test } from 'vitest'
import { guard, isSamePlace, type GuardedContents } from '../../src/main/window-guards'

function guarded() {
  const listeners = new Map<string, (event: { preventDefault(): void }) => void>()
  const opened: string[] = []
  const set: { open?: Parameters<GuardedContents['setWindowOpenHandler']>[0]; request?: (...args: never[]) => void; check?: (...args: never[]) => boolean } = {}
  const contents = {
    session: {
      setPermissionRequestHandler: (handler: never) => { set.request = handler },
      setPermissionCheckHandler: (handler: never) => { set.check = handler }
    },
    setWindowOpenHandler: (handler: NonNullable<typeof set.open>) => { set.open = handler },
    on: (event: string, listener: (event: { preventDefault(): void }) => void) => listeners.set(event, listener)
  }
  guard(contents as GuardedContents, (url) => opened.push(url))
  const prevented = (event: string): boolean => {
    let stopped = false
    listeners.get(event)?.({ preventDefault: () => { stopped = true } })
    return stopped
  }
  const granted = (permission: string): boolean => {
    let answer = true
    set.request!(...([null, permission, (given: boolean) => { answer = given }] as never[]))
    return answer
  }
  return { opened, prevented, granted, checked: (permission: string) => set.check!(...([null, permission] as never[])), open: (url: string) => set.open!({ url }) }
}

test.each(['will-navigate', 'will-redirect', 'will-frame-navigate', 'will-attach-webview'])('%s is prevented, wherever it leads', (event) => {
  expect(guarded().prevented(event)).toBe(true)
})

test.each(['https://example.com/', 'https://example.com:8443/a?b#c'])('%s opens in the browser of the user, never in a window', (url) => {
  const { open, opened } = guarded()
  expect(open(url)).toEqual({ action: 'deny' })
  expect(opened).toEqual([url])
})

test.each([
  'http://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'data:text/html,x', 'app://host/index.html', 'about:blank',
  'smb://host/share', 'ms-settings:', 'vscode://x', 'mailto:a@b.c', '', 'https:', ' ', '//example.com'
])('%j opens nothing', (url) => {
  const { open, opened } = guarded()
  expect(open(url)).toEqual({ action: 'deny' })
  expect(opened).toEqual([])
})

test.each([
  'media', 'geolocation', 'notifications', 'midi', 'pointerLock', 'fullscreen', 'openExternal', 'clipboard-read', 'display-capture', 'hid', 'serial',
  'usb', 'fileSystem', 'unknown', ''
])('the permission %j is refused, asked or checked', (permission) => {
  const { granted, checked } = guarded()
  expect(granted(permission)).toBe(false)
  expect(checked(permission)).toBe(false)
})

test('text may be copied', () => {
  const { granted, checked } = guarded()
  expect([granted('clipboard-sanitized-write'), checked('clipboard-sanitized-write')]).toEqual([true, true])
})

test.each([
  ['app://host/index.html', true], ['app://host/', true], ['app://host/other.html?x#y', true],
  ['app://other/index.html', false], ['app://host.evil/index.html', false], ['app://user@host/index.html', false], ['app://user:x@host/', false],
  ['https://host/index.html', false], ['file:///index.html', false], ['about:blank', false], ['', false], ['host', false], ['app:', false],
  ['data:text/html,app://host/', false], ['blob:app://host/x', false]
])('%s is a page of the app: %s', (url, expected) => {
  expect(isSamePlace(url, 'app://host/index.html')).toBe(expected)
})

test.each([
  ['http://localhost:5173/x', true], ['http://localhost:5174/', false], ['http://127.0.0.1:5173/', false], ['https://localhost:5173/', false]
])('in development, %s: %s', (url, expected) => {
  expect(isSamePlace(url, 'http://localhost:5173/')).toBe(expected)
})
