/** What becomes of a child's stderr, and of the app's own log file. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { logFile } from '../../src/main/log-file'
import { StderrLog, type LogEntry } from '../../src/main/stderr-log'
import { folder } from '../support/bridge'

function reading() {
  const stderr = new PassThrough()
  const entries: LogEntry[] = []
  const log = new StderrLog(stderr, (entry) => entries.push(entry))
  const say = (...pieces: Array<string | Buffer>): void => { for (const piece of pieces) stderr.emit('data', Buffer.from(piece)) }
  return { entries, log, say, end: () => stderr.emit('end') }
}

describe("a child's stderr", () => {
  test('is entries, however it is cut, with the level it says', () => {
    const { entries, say } = reading()
    for (const byte of Buffer.from('{"level":"error","event":"fäult","code":7}\n{"event":"x","level":"loud"}\n')) say(Buffer.from([byte]))
    expect(entries).toEqual([{ level: 'error', event: 'fäult', code: 7 }, { event: 'x', level: 'info' }])
  })

  test.each(['Traceback (most recent call last):', '{"event": 7}', '{"no":"event"}', '[1]', 'null', '{'])('%s is an entry all the same', (line) => {
    const { entries, say } = reading()
    say(`${line}\n`)
    expect(entries).toEqual([{ level: 'warning', event: 'sidecar stderr', text: line }])
  })

  test('keeps its last lines, and the one without an end', () => {
    const { log, say, end } = reading()
    for (let index = 0; index < 50; index += 1) say(`line ${index}\n\n`)
    say('the last')
    end()
    expect(log.lastLines).toHaveLength(20)
    expect(log.lastLines.at(-1)).toBe('the last')
    expect(log.lastLines[0]).toBe('line 31')
  })
})

describe('the log file', () => {
  const lines = (file: string): Array<Record<string, unknown>> => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  const written = (file: string, count: number): Promise<void> => vi.waitFor(() => expect(lines(file)).toHaveLength(count), { timeout: 10_000, interval: 5 })

  test('has an entry a line, for its user alone, in a folder that it makes', async () => {
    const file = join(folder(), 'logs/llm.log')
    const log = logFile(file)
    log({ level: 'info', event: 'one' })
    log({ level: 'error', event: 'two\nlines', reason: 'x' })
    await written(file, 2)
    expect(lines(file)[1]).toMatchObject({ level: 'error', event: 'two\nlines', time: expect.any(Number) })
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('is put aside when it is full, and the one before that is gone', async () => {
    const file = join(folder(), 'llm.log')
    const log = logFile(file, 300)
    for (let index = 0; index < 30; index += 1) log({ level: 'info', event: `entry ${index}` })
    await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toContain('entry 29'), { timeout: 10_000, interval: 5 })
    expect(statSync(file).size).toBeLessThanOrEqual(300)
    expect(statSync(`${file}.1`).size).toBeLessThanOrEqual(300)
    expect(existsSync(`${file}.2`)).toBe(false)
  })

  test('that cannot be written, or an entry that cannot be said, is no fault of the app', () => {
    const blocked = join(folder(), 'a-file')
    writeFileSync(blocked, '')
    const log = logFile(join(blocked, 'llm.log'))
    expect(() => log({ level: 'info', event: 'x' })).not.toThrow()
    const cycle: LogEntry = { level: 'info', event: 'x' }
    cycle['self'] = cycle
    expect(() => logFile(join(folder(), 'llm.log'))(cycle)).not.toThrow()
  })
})
