/**
 * `ipcMain` and `webContents` over sockets: one socket a page, opened again when the page is loaded again.
 *
 * Law: what is sent is cloned by V8 first; who asks is told by the socket's address alone, never by the page.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { deserialize, serialize } from 'node:v8'
import type { WebSocket } from 'ws'
import type { InvokeEventLike, IpcMainLike, WebContentsLike } from '../../../src/shared/transport'
import { decode, encode, type ToHost, type ToPage } from './wire'

const cloned = <T>(value: T): T => deserialize(serialize(value)) as T

export class SocketContents implements WebContentsLike {
  /** Secret: it is the page's identity. */
  readonly token = randomUUID()
  private socket: WebSocket | null = null
  private destroyed = false
  private readonly listeners: Array<() => void> = []

  constructor(readonly id: number, readonly url: string) {}

  isDestroyed(): boolean {
    return this.destroyed
  }

  /** While no page is loaded, it is lost, as in Electron. */
  send(channel: string, ...args: unknown[]): void {
    this.tell({ channel, args: cloned(args) })
  }

  on(event: 'destroyed' | 'render-process-gone', listener: () => void): void {
    if (event === 'destroyed') this.listeners.push(listener)
  }

  tell(message: ToPage): void {
    if (this.socket?.readyState === 1) this.socket.send(encode(message))
  }

  connect(socket: WebSocket): void {
    this.socket = socket
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    for (const listener of this.listeners) listener()
  }
}

export class SocketIpc implements IpcMainLike {
  private readonly handlers = new Map<string, (event: InvokeEventLike, ...args: unknown[]) => unknown>()
  private readonly contents = new Map<string, SocketContents>()
  private lastId = 0

  handle(channel: string, handler: (event: InvokeEventLike, ...args: unknown[]) => unknown): void {
    this.handlers.set(channel, handler)
  }

  removeHandler(channel: string): void {
    this.handlers.delete(channel)
  }

  newContents(url: string): SocketContents {
    const made = new SocketContents(++this.lastId, url)
    this.contents.set(made.token, made)
    return made
  }

  accept(socket: WebSocket, request: IncomingMessage): void {
    const sender = this.contents.get((request.url ?? '').slice(1))
    if (sender === undefined) return socket.close()
    sender.connect(socket)
    socket.on('message', (data) => void this.answer(sender, decode(String(data)) as ToHost))
  }

  private async answer(sender: SocketContents, { id, channel, args }: ToHost): Promise<void> {
    try {
      const handler = this.handlers.get(channel)
      if (handler === undefined) throw new Error(`No handler registered for '${channel}'`)
      const event = { sender, senderFrame: { url: sender.url, parent: null } }
      sender.tell({ id, result: cloned(await handler(event, ...args)) })
    } catch (error) {
      sender.tell({ id, failure: String(error) })
    }
  }
}
