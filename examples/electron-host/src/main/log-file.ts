/**
 * The app's log: JSON lines in one file, and the one before it.
 *
 * Law: it never throws, and waits for no write; it holds at most twice `maxBytes`. (A file is opened at once, so that what
 * is put aside under another name is that file, with all that was written to it.)
 */
import { createWriteStream, fstatSync, mkdirSync, openSync, renameSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Log } from './stderr-log'

export function logFile(file: string, maxBytes = 5 * 1024 * 1024): Log {
  let stream: WriteStream | null = null
  let size = 0
  const open = (): WriteStream => {
    mkdirSync(dirname(file), { recursive: true })
    const fd = openSync(file, 'a', 0o600)
    size = fstatSync(fd).size
    return createWriteStream(file, { fd }).on('error', () => undefined)
  }
  return (entry) => {
    try {
      const line = `${JSON.stringify({ time: Date.now(), ...entry })}\n`
      stream ??= open()
      const bytes = Buffer.byteLength(line)
      if (size + bytes > maxBytes) {
        stream.end()
        stream = null
        renameSync(file, `${file}.1`)
        stream = open()
      }
      size += bytes
      stream.write(line)
    } catch {
      // A log that cannot be written must not keep the app from working.
    }
  }
}
