/**
 * The little of Electron that the bridge needs, as interfaces.
 *
 * Law: Electron's own objects fit them as they are (`tests/unit/electron-types.test.ts` is compiled against its types),
 * so that a test, or a browser, can put another transport where Electron's would be and run everything else for real.
 */

/** As Electron has it: what arrives is not known. */
type RendererListener = (event: unknown, ...args: any[]) => void

/** In a window's preload: `ipcRenderer`. */
export interface IpcRendererLike {
  invoke(channel: string, ...args: unknown[]): Promise<unknown>
  on(channel: string, listener: RendererListener): unknown
  removeListener(channel: string, listener: RendererListener): unknown
}

/** In a window's preload: `contextBridge`. */
export interface ContextBridgeLike {
  exposeInMainWorld(name: string, api: unknown): void
}

/** In the main process: `ipcMain`. */
export interface IpcMainLike {
  handle(channel: string, handler: (event: InvokeEventLike, ...args: unknown[]) => unknown): void
  removeHandler(channel: string): void
}

/** Who asks. */
export interface InvokeEventLike {
  readonly sender: WebContentsLike
  /** Null where the frame is gone already. */
  readonly senderFrame: FrameLike | null
}

/** One window's page: `webContents`. */
export interface WebContentsLike {
  readonly id: number
  send(channel: string, ...args: unknown[]): void
  isDestroyed(): boolean
  on(event: 'destroyed' | 'render-process-gone', listener: () => void): unknown
}

/** A frame of a page; only the top one may ask. */
export interface FrameLike {
  readonly url: string
  readonly parent: unknown
}
