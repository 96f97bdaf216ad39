/**
 * Electron's own objects fit the interfaces of `shared/transport.ts`, by its types; and what stands in for them in the
 * tests refuses what Electron would refuse.
 *
 * The first half is checked by `npm run typecheck`: where a line here does not compile, the app would not either.
 */
import type { App, BrowserWindow, ContextBridge, IpcMain, IpcMainInvokeEvent, IpcRenderer, Protocol, SafeStorage, WebContents, WebFrameMain } from 'electron'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { LlmIpc } from '../../src/main/llm-ipc'
import type { pageFile } from '../../src/main/page-files'
import type { SafeStorageLike } from '../../src/main/vault-key'
import type { GuardedContents } from '../../src/main/window-guards'
import type { LlmApi, LlmApiProfiles } from '../../src/shared/api'
import type { ContextBridgeLike, FrameLike, InvokeEventLike, IpcMainLike, IpcRendererLike, WebContentsLike } from '../../src/shared/transport'
import { app } from '../support/bridge'
import { decode, encode } from '../e2e/harness/wire'
import { SocketIpc } from '../e2e/harness/socket-ipc'

describe("Electron's types", () => {
  test('fit where the bridge asks for them', () => {
    expectTypeOf<IpcMain>().toExtend<IpcMainLike>()
    expectTypeOf<IpcMainInvokeEvent>().toExtend<InvokeEventLike>()
    expectTypeOf<WebContents>().toExtend<WebContentsLike>()
    expectTypeOf<WebFrameMain>().toExtend<FrameLike>()
    expectTypeOf<IpcRenderer>().toExtend<IpcRendererLike>()
    expectTypeOf<ContextBridge>().toExtend<ContextBridgeLike>()
    expectTypeOf<SafeStorage>().toExtend<SafeStorageLike>()
    expectTypeOf<WebContents>().toExtend<GuardedContents>()
    expectTypeOf<BrowserWindow['webContents']>().toExtend<Parameters<LlmIpc['addWindow']>[0]>()
    expectTypeOf<Parameters<Parameters<Protocol['handle']>[1]>[0]>().toExtend<Parameters<typeof pageFile>[1]>()
    expectTypeOf<App['isPackaged']>().toEqualTypeOf<boolean>()
  })

  test('give a frame that may be gone, and a frame that may have a parent', () => {
    expectTypeOf<IpcMainInvokeEvent['senderFrame']>().toEqualTypeOf<WebFrameMain | null>()
    expectTypeOf<WebFrameMain['parent']>().toEqualTypeOf<WebFrameMain | null>()
  })

  test('and every page has both APIs', () => {
    expectTypeOf<Window['llm']>().toEqualTypeOf<LlmApi>()
    expectTypeOf<Window['llmAPI']>().toEqualTypeOf<LlmApiProfiles>()
  })
})

// https://www.electronjs.org/docs/latest/api/ipc-renderer#ipcrendererinvokechannel-args: structured clone; a function,
// a promise, a symbol, a WeakMap or a WeakSet throws.
const NOT_CLONED = [() => 1, Promise.resolve(1), Symbol('x'), new WeakMap(), new WeakSet(), { inner: { deep: () => 1 } }, [Symbol('x')]]

describe('the transport of the unit tests', () => {
  test('clones what crosses it, in both directions', async () => {
    const { sidecar, transport, page } = app({ findCommand: () => null })
    const one = page()
    const kept: unknown[] = []
    transport.handle('echo', (_event, value) => { kept.push(value); return value })
    const value = { list: [1], date: new Date(5), map: new Map([['a', 1]]), nothing: undefined }
    const back = await one.invoke('echo', value)
    expect(back).toEqual(value)
    expect(kept[0]).not.toBe(value)
    expect(back).not.toBe(kept[0])
    await sidecar.stop()
  })

  test('throws where Electron would', async () => {
    const { sidecar, transport, page } = app({ findCommand: () => null })
    const one = page()
    transport.handle('take', () => 'taken')
    transport.handle('give', () => () => 1)
    for (const value of NOT_CLONED) await expect(one.invoke('take', value)).rejects.toThrow(/could not be cloned/)
    await expect(one.invoke('give')).rejects.toThrow(/could not be cloned/)
    for (const value of NOT_CLONED) expect(() => one.contents.send('x', value)).toThrow(/could not be cloned/)
    await sidecar.stop()
  })
})

describe('the transport of the scenarios', () => {
  test('carries what JSON can say, and undefined', () => {
    const message = { id: 1, channel: 'x', args: [{ a: undefined, b: [null, undefined, 1.5, 'ü', true], c: {} }] }
    expect(decode(encode(message))).toEqual(message)
  })

  test.each([[new Map()], [new Date()], [10n], [Number.NaN], [new Uint8Array(1)], [/x/]])('refuses by name what would arrive as something else (%#)', (value) => {
    expect(() => encode({ channel: 'x', args: [value] })).toThrow('The harness does not carry')
  })

  test('throws where Electron would', () => {
    const contents = new SocketIpc().newContents('http://127.0.0.1/index.html')
    for (const value of NOT_CLONED) expect(() => contents.send('x', value)).toThrow(/could not be cloned/)
  })
})
