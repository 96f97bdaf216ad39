/** A window without a sidecar says what is the matter and what to do; it is never blank. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ask, field } from './harness/app'
import { KINDS, REAL, type Host, type HostOptions } from './harness/host'

const folder = mkdtempSync(join(tmpdir(), 'llm-states-'))

/** A program in the sidecar's place. */
function program(name: string, lines: string[]): string[] {
  const file = join(folder, `${name}.mjs`)
  writeFileSync(file, lines.join('\n'))
  return [process.execPath, file]
}

const OLD = program('old', [
  "process.stdin.once('data', (line) => {",
  '  const { id } = JSON.parse(String(line))',
  "  const result = { protocolVersion: 0, server: { name: 'llm-sidecar', version: '0.0.1' }, capabilities: {}, encryption: { available: false, source: null }, limits: {}, providers: [] }",
  "  console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))",
  '})'
])
const CRASHING = program('crashing', ["console.error('no such thing'); process.exit(1)"])
const SILENT = program('silent', ["process.stdin.on('end', () => process.exit(0)).resume()"])

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: states`, () => {
    let host: Host | undefined
    afterEach(() => host?.close())

    async function shown(options: HostOptions): Promise<Page> {
      host = await start(options)
      const page = await host.openWindow()
      await page.locator('.state-card').waitFor()
      return page
    }

    test('missing', async () => {
      const page = await shown({ command: [join(folder, 'nowhere')] })
      await page.getByRole('heading', { name: 'llm-sidecar is not installed' }).waitFor()
      expect(await page.locator('.advice').innerText()).toContain('pip install llm-sidecar')
      expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(1)
    })

    test('too old', async () => {
      const page = await shown({ command: OLD })
      await page.getByRole('heading', { name: 'The versions do not fit' }).waitFor()
      expect(await page.locator('.advice').innerText()).toContain('Update llm-sidecar')
    })

    test('ending again and again, with a count until the next try', async () => {
      const page = await shown({ command: CRASHING, restart: { firstDelayMs: 20, maxDelayMs: 100 } })
      await page.getByRole('heading', { name: 'llm-sidecar ends again and again' }).waitFor()
      expect(await page.getByText('SIDECAR_CRASH_LOOP').count()).toBe(1)
      await page.getByText('What it said last').click()
      expect(await page.locator('.last-lines pre').innerText()).toContain('no such thing')
    })

    test('slow, and then there after all', async () => {
      const now = join(folder, `${name}-may-start`)
      const wrapper = program('slowly', [
        "import { spawn } from 'node:child_process'",
        "import { existsSync, watch } from 'node:fs'",
        `const watching = watch(${JSON.stringify(folder)}, () => existsSync(${JSON.stringify(now)}) && begin())`,
        'const begin = () => { watching.close(); start() }',
        `const start = () => spawn(${JSON.stringify(REAL[0])}, [...${JSON.stringify(REAL.slice(1))}, ...process.argv.slice(2)], { stdio: 'inherit' }).on('exit', (code) => process.exit(code ?? 1))`
      ])
      const page = await shown({ command: wrapper, times: { slowAfterMs: 300 } })
      await page.getByRole('heading', { name: 'Still starting…' }).waitFor()
      writeFileSync(now, '')
      await field(page).waitFor()
      expect(await ask(page, '[[demo: text="Here at last."]]')).toBe('Here at last.')
    })

    test('without a place to store anything: it is said, and a conversation goes on', async () => {
      const dataDir = mkdtempSync(join(folder, 'full-'))
      mkdirSync(join(dataDir, 'sidecar/llm-sidecar.sqlite3'), { recursive: true })
      host = await start({ dataDir })
      const page = await host.openWindow()
      await field(page).waitFor()
      expect(await ask(page, '[[demo: text="One."]]')).toBe('One.')
      expect(await ask(page, '[[demo: text="Two."]]')).toBe('Two.')
      expect(await page.locator('.turns .warning').innerText()).toContain('This conversation is not kept')
      expect(await page.getByRole('navigation', { name: 'Conversations' }).innerText()).toContain('What is stored cannot be used')
    })

    test('silent: it is ended, and tried again', async () => {
      const page = await shown({ command: SILENT, times: { handshakeMs: 300, slowAfterMs: 100 }, restart: { firstDelayMs: 5_000 } })
      await page.getByText('SIDECAR_SLOW').waitFor()
      expect(await page.getByRole('button', { name: 'Try now' }).count()).toBe(1)
    })
  })
}
