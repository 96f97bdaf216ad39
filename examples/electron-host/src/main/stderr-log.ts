/**
 * A child's stderr as entries of the app's log.
 *
 * Law: a line is bounded and never lost silently; what is not one of the sidecar's JSON lines is an entry all the same.
 */
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

export interface LogEntry {
  level: 'debug' | 'info' | 'warning' | 'error'
  event: string
  [field: string]: unknown
}

export type Log = (entry: LogEntry) => void

const MAX_LINE = 64 * 1024
const KEPT = 20
const LEVELS: readonly string[] = ['debug', 'info', 'warning', 'error'] satisfies LogEntry['level'][]

export class StderrLog {
  private readonly decoder = new StringDecoder('utf8')
  private rest = ''
  private readonly recent: string[] = []

  constructor(stderr: Readable, private readonly log: Log) {
    stderr.on('data', (chunk: Buffer) => this.read(this.decoder.write(chunk)))
    stderr.on('end', () => this.read(`${this.decoder.end()}\n`))
  }

  /** The last lines, oldest first. */
  get lastLines(): readonly string[] {
    return this.recent
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.take(line)
    while (this.rest.length > MAX_LINE) {
      this.take(this.rest.slice(0, MAX_LINE))
      this.rest = this.rest.slice(MAX_LINE)
    }
  }

  private take(line: string): void {
    if (line.trim() === '') return
    this.recent.push(line.slice(0, 1_000))
    if (this.recent.length > KEPT) this.recent.shift()
    this.log(entryOf(line))
  }
}

function entryOf(line: string): LogEntry {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string') {
      const level = 'level' in value && LEVELS.includes(String(value.level)) ? (value.level as LogEntry['level']) : 'info'
      return { ...value, event: value.event, level }
    }
  } catch {
    // Not one of the sidecar's: a traceback, or a library that prints.
  }
  return { level: 'warning', event: 'sidecar stderr', text: line }
}
