/** The client over a pair of streams: what is asked, what is told, and what comes of a peer that does neither well. */
import { PassThrough, Writable } from 'node:stream'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { LineError, LineSplitter } from '../../src/main/line-splitter'
import { SidecarClient, type ClientLimits } from '../../src/main/sidecar-client'
import { codeOf } from '../support/bridge'

afterEach(() => vi.useRealTimers())

function connected(limits?: Partial<ClientLimits>, stdin: Writable = new PassThrough()) {
  const stdout = new PassThrough()
  const told: Array<[string, unknown]> = []
  const broken: string[] = []
  const client = new SidecarClient(stdin, stdout, (name, params) => told.push([name, params]), (reason) => broken.push(reason), {
    maxMessageBytes: 10_000, maxUnwrittenBytes: 20_000, ...limits
  })
  const written = (): Array<Record<string, unknown>> => String((stdin as PassThrough).read() ?? '').split('\n').filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>)
  const say = (...messages: unknown[]): void => {
    for (const message of messages) stdout.emit('data', Buffer.from(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`))
  }
  return { client, say, told, broken, written, raw: (bytes: Uint8Array) => stdout.emit('data', Buffer.from(bytes)) }
}

describe('a request', () => {
  test('gets the response of its own id, in whatever order they come', async () => {
    const { client, say, written } = connected()
    const [one, other] = [client.request('ping', {}), client.request('llm:get-status', {})]
    expect(written()).toEqual([
      { jsonrpc: '2.0', id: 1, method: 'ping', params: {} },
      { jsonrpc: '2.0', id: 2, method: 'llm:get-status', params: {} }
    ])
    say({ id: 2, result: 'second' }, { id: 1, result: 'first' }, { id: 1, result: 'again' }, { id: 99, result: 'of nobody' }, { id: null, error: {} })
    expect([await one, await other]).toEqual(['first', 'second'])
    expect(client.unanswered).toBe(0)
  })

  test('gets responses out of a batch', async () => {
    const { client, say } = connected()
    const asked = [client.request('ping', {}), client.request('ping', {})]
    say([{ id: 1, result: { a: 1 } }, { id: 2, result: { b: 1 } }])
    expect(await Promise.all(asked)).toEqual([{ a: 1 }, { b: 1 }])
  })

  test.each([
    [{ code: -32000, message: 'No.', data: { code: 'BUDGET_EXCEEDED', retryable: false, details: { limit: 1 }, timestamp: 1 } }, { code: 'BUDGET_EXCEEDED', retryable: false, details: { limit: 1 } }],
    [{ code: -32000, message: 'Wait.', data: { code: 'RATE_LIMIT', retryable: true, retryAfterMs: 5, timestamp: 1 } }, { code: 'RATE_LIMIT', retryable: true, retryAfterMs: 5 }],
    [{ code: -32000 }, { code: 'INTERNAL_ERROR', retryable: false }],
    ['No.', { code: 'INTERNAL_ERROR', retryable: false }]
  ])('that is refused (%#) rejects with the code, and whatever else was said', async (error, expected) => {
    const { client, say } = connected()
    const asked = client.request('ping', {})
    say({ id: 1, error })
    await expect(asked).rejects.toMatchObject(expected)
  })

  test('that is not answered in time is given up, cancelled, and its late answer is nobody\'s', async () => {
    vi.useFakeTimers()
    const { client, say, written, broken } = connected()
    const asked = codeOf(client.request('llm:get-status', {}, { timeoutMs: 1_000 }))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await asked).toBe('TIMEOUT')
    expect(written().at(-1)).toEqual({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 1 } })
    say({ id: 1, result: 'late' })
    expect(broken).toEqual([])
  })

  test('that waits when the client is closed is rejected with the reason, and so is every later one', async () => {
    const { client, say } = connected()
    const waiting = codeOf(client.request('ping', {}))
    client.close({ code: 'SIDECAR_EXITED', message: 'Gone.', retryable: true })
    client.close({ code: 'INTERNAL_ERROR', message: 'Again.', retryable: true })
    expect(await waiting).toBe('SIDECAR_EXITED')
    expect(await codeOf(client.request('ping', {}))).toBe('SIDECAR_EXITED')
    say({ id: 1, result: 'late' })
    expect(client.unanswered).toBe(0)
  })

  test('that is too large, or no JSON, is refused here, and nothing of it is written', async () => {
    const { client, written } = connected()
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const metadata = (value: unknown) => client.request('llm:inference', { messages: [], metadata: { value } })
    expect(await codeOf(metadata('ü'.repeat(5_000)))).toBe('MESSAGE_TOO_LARGE')
    expect(await codeOf(metadata(cycle))).toBe('VALIDATION_ERROR')
    expect(await codeOf(metadata(1n))).toBe('VALIDATION_ERROR')
    expect(written()).toEqual([])
    expect(client.unanswered).toBe(0)
  })

  test('is OVERLOADED where the peer does not read, and goes through when it does', async () => {
    let read: (() => void) | undefined
    const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => { read = done } })
    const { client } = connected({ maxUnwrittenBytes: 500 }, slow)
    const ask = (): Promise<unknown> => client.request('llm:generate-text', { prompt: 'x'.repeat(150) })
    void ask()
    void ask()
    expect(await codeOf(ask())).toBe('OVERLOADED')
    expect(client.unanswered).toBe(2)
    const drained = new Promise((resolve) => slow.once('drain', resolve))
    while (slow.writableLength > 0) {
      read?.()
      await new Promise(setImmediate)
    }
    await drained
    void ask()
    expect(client.unanswered).toBe(3)
  })
})

describe('what the sidecar tells', () => {
  test('is handed on in its order, in the turn in which it was read, before the response that follows', () => {
    const { client, say, told } = connected()
    void client.request('ping', {})
    say({ method: 'llm:token', params: { n: 1 } }, { method: 'llm:token', params: { n: 2 } })
    expect(told).toEqual([['llm:token', { n: 1 }], ['llm:token', { n: 2 }]])
  })

  test('as a request is refused, with its id', () => {
    const { say, written } = connected()
    say({ id: 'theirs', method: 'host:inference', params: {} })
    expect(written()).toMatchObject([{ id: 'theirs', error: { code: -32601 } }])
  })

  test.each(['{', 'hello', '7', '"text"', 'null', 'true', '[7]'])('as %s breaks the stream, once, and nothing after it is believed', (line) => {
    const { say, broken, told, client } = connected()
    say(line)
    expect(broken).toHaveLength(1)
    client.close({ code: 'SIDECAR_EXITED', message: 'Gone.', retryable: true })
    say({ method: 'llm:token', params: {} }, line)
    expect(told).toEqual([])
    expect(broken).toHaveLength(1)
  })

  test('in a line that is too long breaks the stream before the line has ended', () => {
    const { raw, broken } = connected()
    for (let piece = 0; piece < 12 && broken.length === 0; piece += 1) raw(Buffer.alloc(1_000, 'x'))
    expect(broken[0]).toContain('10000 bytes')
  })

  test('may be longer, or must be shorter, as the handshake said', async () => {
    const { client, say, told } = connected()
    client.agree(100_000)
    say({ method: 'llm:token', params: { token: 'x'.repeat(50_000) } })
    expect(told).toHaveLength(1)
    client.agree(100)
    expect(await codeOf(client.request('llm:generate-text', { prompt: 'x'.repeat(100) }))).toBe('MESSAGE_TOO_LARGE')
  })
})

describe('lines', () => {
  const TEXT = ['{"a":1}', '', '  ', 'ünïcödé — 漢字 🎉', '\r', 'x'.repeat(300), 'last'].join('\n') + '\n'
  const LINES = ['{"a":1}', 'ünïcödé — 漢字 🎉', 'x'.repeat(300), 'last']

  test('are the same however the bytes are cut', () => {
    const bytes = Buffer.from(TEXT)
    for (let size = 1; size <= bytes.length; size += size < 40 ? 1 : 37) {
      const splitter = new LineSplitter(1_000)
      const lines: string[] = []
      for (let at = 0; at < bytes.length; at += size) lines.push(...splitter.push(bytes.subarray(at, at + size)))
      expect(lines).toEqual(LINES)
    }
  })

  test('have a bound that counts bytes, not characters, and not their LF', () => {
    expect([...new LineSplitter(4).push(Buffer.from('üü\nabcd\n'))]).toEqual(['üü', 'abcd'])
    expect(() => [...new LineSplitter(3).push(Buffer.from('üü\n'))]).toThrow(LineError)
    expect(() => [...new LineSplitter(3).push(Buffer.from('abcd'))]).toThrow(LineError)
  })

  test('hold no chunk that the stream uses again', () => {
    const splitter = new LineSplitter(100)
    const chunk = Buffer.from('abc')
    expect([...splitter.push(chunk)]).toEqual([])
    chunk.fill('x')
    expect([...splitter.push(Buffer.from('d\n'))]).toEqual(['abcd'])
  })

  test.each([[[0xff, 10]], [[0xc3, 10]], [[0xed, 0xa0, 0x80, 10]], [[0xc0, 0x80, 10]]])('that are not UTF-8 (%#) are refused', (bytes) => {
    expect(() => [...new LineSplitter(100).push(Uint8Array.from(bytes))]).toThrow('not UTF-8')
  })

  test('a long line in small pieces costs no more than its length', () => {
    const splitter = new LineSplitter(64 * 1024 * 1024)
    const piece = Buffer.alloc(1_024, 'x')
    for (let count = 0; count < 20_000; count += 1) expect([...splitter.push(piece)]).toEqual([])
    expect([...splitter.push(Buffer.from('\n'))][0]).toHaveLength(20_000 * 1_024)
  })
})
