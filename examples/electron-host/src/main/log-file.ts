/**
 * The app's log: JSON lines in one file, and the one before it.
 *
 * Law: it never throws and never blocks; it holds at most twice `maxBytes`.
 */
import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Log } from './stderr-log'

export function logFile(file: string, maxBytes = 5 * 1024 * 1024): Log {
  let stream: WriteStream | null = null
  let size = 0
  const open = (): WriteStream => {
    mkdirSync(dirname(file), { recursive: true })
    size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    return createWriteStream(file, { flags: 'a', mode: 0o600 }).on('error', () => undefined)
  }
  return (entry) => {
    try {
      const line = `${JSON.stringify({ time: Date.now(), ...entry })}\n`
      stream ??= open()
      if (size + line.length > maxBytes) {
        stream.end()
        renameSync(file, `${file}.1`)
        stream = open()
      }
      size += line.length
      stream.write(line)
    } catch {
      // A log that cannot be written must not keep the app from working.
    }
  }
}
