/** The supervisor and the real sidecar: late, dead, standing still, locked out, wrongly set up; and programs that are none. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { SidecarProcess, SidecarOptions } from '../../src/main/sidecar-process'
import type { LogEntry } from '../../src/main/stderr-log'
import type { SidecarState } from '../../src/shared/api'
import { alive, ask, codeOf, folder, holdTimers, program, readableLog, REAL, sidecarProcess, state } from '../support/bridge'

const started: SidecarProcess[] = []
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(started.splice(0).map((sidecar) => sidecar.stop()))
})

function start(options: Partial<SidecarOptions> = {}): SidecarProcess {
  const sidecar = sidecarProcess(options)
  started.push(sidecar)
  sidecar.start()
  return sidecar
}

/** Calls `act` with the process of the first run, before anything is said to it. */
const atFirstStart = (act: (pid: number) => void): SidecarOptions['log'] => {
  let first = true
  return (entry: LogEntry) => {
    if (!first || entry.event !== 'sidecar started') return
    first = false
    act(Number(entry['pid']))
  }
}

const stopped = (pid: number): void => void process.kill(pid, 'SIGSTOP')

describe('a start', () => {
  test('that takes long is called slow, and requests wait for it', async () => {
    const hurry = holdTimers()
    let pid = 0
    const sidecar = start({ log: atFirstStart((its) => stopped((pid = its))) })
    const status = sidecar.request('llm:get-status', {})
    await hurry(2_999)
    expect(sidecar.state).toEqual({ state: 'starting', slow: false })
    await hurry(1)
    expect(sidecar.state).toEqual({ state: 'starting', slow: true })
    process.kill(pid, 'SIGCONT')
    expect((await status).activeInferences).toBe(0)
    expect(sidecar.state.state).toBe('ready')
  })

  test('that does not end is given up after the deadline of the handshake, and begun again', async () => {
    const hurry = holdTimers()
    const sidecar = start({ log: atFirstStart(stopped) })
    await hurry(0) // The run is made in another turn, when the key is there.
    const restarting = state(sidecar, 'restarting')
    await hurry(20_000)
    expect(await restarting).toMatchObject({ attempt: 1, retryInMs: 250, failure: { code: 'SIDECAR_SLOW', advice: expect.stringMatching(/.{20}/) } })
    await hurry(250)
    expect(await state(sidecar, 'ready')).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/) })
  })

  test('that does not come is no reason to wait for ever: a request is refused, and can be asked again', async () => {
    const hurry = holdTimers()
    const sidecar = start({ log: atFirstStart(stopped), times: { handshakeMs: 3_600_000, stopMs: 1 } })
    const refused = codeOf(sidecar.request('llm:get-status', {}))
    await hurry(30_000)
    expect(await refused).toBe('SIDECAR_UNAVAILABLE')
  })
})

describe('an end', () => {
  test('by SIGKILL is told with its signal, and the next run answers', async () => {
    const sidecar = start({ restart: { firstDelayMs: 1 } })
    await state(sidecar, 'ready')
    const restarting = state(sidecar, 'restarting')
    const pid = sidecar.pid!
    process.kill(pid, 'SIGKILL')
    expect(await restarting).toMatchObject({ failure: { code: 'SIDECAR_EXITED', message: expect.stringContaining('SIGKILL') } })
    expect(await sidecar.request('ping', {})).toEqual({})
    expect(sidecar.pid).not.toBe(pid)
  })

  test('of a sidecar that stands still is made, and the next run answers', async () => {
    const sidecar = start()
    const hurry = holdTimers()
    await state(sidecar, 'ready')
    stopped(sidecar.pid!)
    const restarting = state(sidecar, 'restarting')
    await hurry(10_000) // A ping after five seconds, an answer within five.
    expect((await restarting).failure.code).toBe('SIDECAR_UNRESPONSIVE')
    await hurry(250)
    expect(await sidecar.request('ping', {})).toEqual({})
  })

  test('a sidecar that answers its pings is left alone', async () => {
    const sidecar = start()
    await state(sidecar, 'ready')
    const pid = sidecar.pid!
    const hurry = holdTimers()
    for (let round = 0; round < 5; round += 1) {
      await hurry(5_000)
      await sidecar.request('ping', {})
      await hurry(5_000)
    }
    expect(sidecar.pid).toBe(pid)
    expect(sidecar.state.state).toBe('ready')
  })

  test('again and again is waited out twice as long each time, and then it is a loop, until somebody tries again', async () => {
    const hurry = holdTimers()
    const seen: SidecarState[] = []
    const { entries, log } = readableLog()
    let command = program('console.error("why it ends"); process.exit(1)')
    const sidecar = start({ findCommand: () => command, log })
    sidecar.states.add((now) => seen.push(now))
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const { retryInMs } = await state(sidecar, 'restarting', (now) => now.attempt === attempt)
      expect(retryInMs).toBe(250 * 2 ** (attempt - 1))
      const runs = entries.filter(({ event }) => event === 'sidecar started').length
      await hurry(retryInMs - 1)
      expect(entries.filter(({ event }) => event === 'sidecar started')).toHaveLength(runs)
      await hurry(1)
    }
    const { failure } = await state(sidecar, 'failed')
    expect(failure).toMatchObject({ code: 'SIDECAR_CRASH_LOOP', message: expect.stringContaining('exit code 1'), advice: expect.stringContaining('log'), lastLines: ['why it ends'] })
    expect(entries.filter(({ event }) => event === 'sidecar started')).toHaveLength(6)
    expect(entries.filter(({ text }) => text === 'why it ends')).toHaveLength(6)
    expect(await codeOf(sidecar.request('ping', {}))).toBe('SIDECAR_CRASH_LOOP')
    command = REAL
    await sidecar.restart()
    await state(sidecar, 'ready')
  })

  test('that is long ago does not count', async () => {
    const sidecar = start({ restart: { firstDelayMs: 1, maxEnds: 1, windowMs: 0 } })
    for (let round = 0; round < 3; round += 1) {
      await state(sidecar, 'ready')
      const gone = state(sidecar, 'restarting')
      process.kill(sidecar.pid!, 'SIGKILL')
      expect((await gone).attempt).toBe(1)
    }
  })
})

describe('a data folder', () => {
  test('that another sidecar uses is told as that, waited for, and used when it is free', async () => {
    const hurry = holdTimers()
    const dataDir = folder()
    const first = start({ dataDir })
    await state(first, 'ready')
    const second = start({ dataDir })
    const { failure } = await state(second, 'restarting')
    expect(failure).toMatchObject({ code: 'DATA_DIR_LOCKED', advice: expect.stringContaining('other copy') })
    await first.stop()
    await hurry(250)
    await state(second, 'ready')
  })

  test('that stays locked ends as that, not as a crash loop; exit code 5 alone says it', async () => {
    const sidecar = start({ findCommand: () => program('process.exit(5)'), restart: { firstDelayMs: 1, maxEnds: 2 } })
    expect((await state(sidecar, 'failed')).failure.code).toBe('DATA_DIR_LOCKED')
  })

  test('whose config.toml is wrong ends at once, with what is wrong', async () => {
    const dataDir = folder()
    writeFileSync(join(dataDir, 'config.toml'), '[limits]\nmaxSessions = "many"\n')
    const { entries, log } = readableLog()
    const { failure } = await state(start({ dataDir, log }), 'failed')
    expect(failure).toMatchObject({ code: 'SIDECAR_REFUSED', advice: expect.stringContaining('config.toml') })
    expect(failure.message).toContain('maxSessions')
    expect(entries.filter(({ event }) => event === 'sidecar started')).toHaveLength(1)
  })

  test('whose config.toml allows less in a message: the client keeps to it, and nothing is left unanswered', async () => {
    const dataDir = folder()
    writeFileSync(join(dataDir, 'config.toml'), '[limits]\nmaxMessageBytes = 8192\n')
    const sidecar = start({ dataDir })
    const tooLong = sidecar.request('llm:inference', ask('x'.repeat(9_000)))
    expect(await codeOf(tooLong)).toBe('MESSAGE_TOO_LARGE')
    expect(await sidecar.request('ping', {})).toEqual({})
  })
})

describe('what is no sidecar', () => {
  test.each([
    ['a Python without it', { ...REAL, args: ['-I', '-S', '-m', 'llm_sidecar'] }, 'SIDECAR_MISSING', 'pip install'],
    ['an older one', program('process.stdin.once("data", () => hello({ ...fits, protocolVersion: 0 }))'), 'SIDECAR_VERSION', 'Update llm-sidecar'],
    ['a newer one', program('process.stdin.once("data", () => hello({ ...fits, protocolVersion: 2 }))'), 'SIDECAR_VERSION', 'Update this app'],
    ['one without a version', program('process.stdin.once("data", () => hello({}))'), 'SIDECAR_VERSION', 'Update'],
    ['one that refuses', program('process.stdin.once("data", () => line({ id: 1, error: { code: -32000, message: "No.", data: { code: "VALIDATION_ERROR" } } }))'), 'SIDECAR_REFUSED', 'log']
  ])('%s: tried once, and told with advice', async (_what, command, code, advice) => {
    const { entries, log } = readableLog()
    const { failure } = await state(start({ findCommand: () => command, log }), 'failed')
    expect(failure).toMatchObject({ code, advice: expect.stringContaining(advice) })
    expect(entries.filter(({ event }) => event === 'sidecar started')).toHaveLength(1)
  })

  test.each([
    ['not JSON', 'process.stdout.write("Welcome to the program!\\n")'],
    ['not a message', 'process.stdout.write("7\\n")'],
    ['not UTF-8', 'process.stdout.write(Buffer.from([123, 255, 10]))'],
    ['a line without an end', 'process.stdout.on("error", () => undefined); for (let i = 0; i < 20; i += 1) process.stdout.write("x".repeat(1024 * 1024))']
  ])('%s on its stdout: it is ended, and said', async (_what, script) => {
    const sidecar = start({ findCommand: () => program(script), restart: { firstDelayMs: 60_000 } })
    const { failure } = await state(sidecar, 'restarting')
    expect(failure.code).toBe('SIDECAR_EXITED')
    expect(failure.message).not.toMatch(/ended by itself/)
  })
})

describe('the log', () => {
  test("has the sidecar's lines as its own, what a library prints, and no key", async () => {
    const key = Buffer.alloc(32, 201).toString('base64')
    const { entries, log, has } = readableLog()
    const env = { ...process.env, OPENAI_API_KEY: 'sk-canary-environment-0123456789' }
    const sidecar = start({ vaultKey: async () => ({ key, problem: null }), log, env })
    const made = await sidecar.request('llm:profiles:create', {
      name: 'Canary', providerType: 'openai', endpointUrl: 'http://127.0.0.1:9/v1', apiKey: 'sk-canary-profile-0123456789'
    })
    await sidecar.request('llm:profiles:test', { profileId: made.profile.id })
    await codeOf(sidecar.request('llm:generate-text', { providerId: 'openai', prompt: 'canary prompt' }))
    await sidecar.stop()
    expect(await has(({ event }) => event === 'stopped')).toMatchObject({ level: 'info', exitCode: 0 })
    expect(entries.length).toBeGreaterThan(3)
    expect(JSON.stringify(entries)).not.toMatch(/canary/)
    expect(JSON.stringify(entries)).not.toContain(key.slice(0, 20))
  })

  test('has what is no line of JSON, whole, and a traceback line by line', async () => {
    const { log, has } = readableLog()
    start({ findCommand: () => ({ ...REAL, args: ['-c', 'raise RuntimeError("said on stderr")'] }), log, restart: { firstDelayMs: 60_000 } })
    expect(await has(({ text }) => String(text).includes('RuntimeError'))).toEqual({
      level: 'warning', event: 'sidecar stderr', text: 'RuntimeError: said on stderr'
    })
  })

  test('is not flooded by a line without an end', async () => {
    const { log, has } = readableLog()
    start({ findCommand: () => program('process.stderr.write("y".repeat(200_000)); process.stdin.resume()'), log, times: { stopMs: 1 } })
    expect(String((await has(({ event }) => event === 'sidecar stderr'))['text'])).toHaveLength(64 * 1024)
  })
})

describe('the stop', () => {
  test('of a ready one, twice: no process is left, and what is asked then is refused', async () => {
    const sidecar = start()
    await state(sidecar, 'ready')
    const pid = sidecar.pid!
    await Promise.all([sidecar.stop(), sidecar.stop()])
    expect(alive(pid)).toBe(false)
    expect(sidecar.state.state).toBe('stopped')
    expect(await codeOf(sidecar.request('ping', {}))).toBe('SHUTTING_DOWN')
  })

  test('while it starts, while it waits, and after it failed', async () => {
    const pids: number[] = []
    const starting = start({ log: atFirstStart((pid) => pids.push(pid)) })
    const starts = start({ log: atFirstStart((pid) => { pids.push(pid); stopped(pid) }), times: { stopMs: 1 } })
    await Promise.all([starting.stop(), starts.stop()])
    const waiting = start({ findCommand: () => program('process.exit(1)'), restart: { firstDelayMs: 3_600_000 } })
    await state(waiting, 'restarting')
    await waiting.stop()
    const failed = start({ findCommand: () => null })
    await state(failed, 'failed')
    await failed.stop()
    for (const sidecar of [starting, starts, waiting, failed]) expect(sidecar.state.state).toBe('stopped')
    expect(pids.filter(alive)).toEqual([])
  })

  test('of one that does not want to end is made', async () => {
    const stubborn = program(`
      process.removeAllListeners.call(process.stdin, 'end'); process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1e6)
      process.stdin.once('data', () => hello())
    `)
    const sidecar = start({ findCommand: () => stubborn })
    await state(sidecar, 'ready')
    const pid = sidecar.pid!
    const hurry = holdTimers()
    const stop = sidecar.stop()
    await hurry(2_500)
    await stop
    expect(alive(pid)).toBe(false)
  })

  test('that is none: a restart takes the run there is, and requests go to the next', async () => {
    const sidecar = start({ restart: { firstDelayMs: 1 } })
    await state(sidecar, 'ready')
    const pid = sidecar.pid!
    await sidecar.restart()
    expect(await sidecar.request('ping', {})).toEqual({})
    expect(sidecar.pid).not.toBe(pid)
    expect(alive(pid)).toBe(false)
  })
})
