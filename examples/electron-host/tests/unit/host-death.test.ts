/** An app that dies, however it does, takes its sidecar with it. */
import { execFileSync, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'vite'
import { beforeAll, describe, expect, test } from 'vitest'
import { alive, folder, REAL } from '../support/bridge'

describe.skipIf(process.platform === 'win32')('the death of the app', () => {
  const built = folder()
  beforeAll(() =>
    build({
      configFile: false,
      logLevel: 'error',
      build: { ssr: join(import.meta.dirname, '../support/dying-host.ts'), outDir: built, rollupOptions: { output: { entryFileNames: 'host.mjs' } } }
    })
  )

  /** Another Node that hosts a sidecar whose end is the end of what can be read here. */
  async function hosted(death: string): Promise<{ host: ReturnType<typeof spawn>; pid: number; gone: Promise<void> }> {
    const at = folder()
    const fifo = join(at, 'held-open')
    execFileSync('mkfifo', [fifo])
    const command = { file: '/bin/sh', args: ['-c', `exec 9>"$0"; exec "$@"`, fifo, REAL.file, ...REAL.args], source: 'setting' }
    const host = spawn(process.execPath, [join(built, 'host.mjs'), JSON.stringify(command), join(at, 'data'), death], {
      stdio: ['pipe', 'pipe', 'ignore']
    })
    const held = createReadStream(fifo).resume()
    const gone = new Promise<void>((resolve) => held.once('end', resolve))
    const [line] = await Promise.race([
      new Promise<string[]>((resolve) => createInterface(host.stdout!).once('line', (text) => resolve([text]))),
      new Promise<never>((_, reject) => host.once('exit', (code) => reject(new Error(`The host ended with ${code}.`))))
    ])
    return { host, pid: Number(line), gone }
  }

  test.each(['SIGKILL', 'SIGTERM', 'exit', 'fault'])('by %s leaves no sidecar', async (death) => {
    const { host, pid, gone } = await hosted(death)
    expect(alive(pid)).toBe(true)
    if (death.startsWith('SIG')) host.kill(death as NodeJS.Signals)
    else host.stdin!.write('now\n')
    await gone // All that it had open is closed. (Its pid may still be there: whoever inherits the dead may be slow to bury them.)
  })
})
