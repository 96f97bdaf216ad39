/** What goes wrong around a window, and what windows must not see of each other. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ask, ended, field, lastAnswer, send, sessions, until } from './harness/app'
import { KINDS, type Host } from './harness/host'

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: windows`, () => {
    let host: Host
    let one: Page
    let other: Page
    beforeAll(async () => {
      host = await start()
      one = await host.openWindow()
      other = await host.openWindow()
      await Promise.all([field(one).waitFor(), field(other).waitFor()])
    })
    afterAll(() => host?.close())

    test('a sidecar that is killed in mid-stream: a typed error, the retry and the next message work, the session is intact', async () => {
      await ask(one, '[[demo: text="Before."]] The first message')
      await send(one, 'The second message: introduce yourself, and then show me how Markdown, a list and code look here.')
      await until(async () => (await lastAnswer(one).locator('.markdown').innerText()).length > 40, 'it has begun')
      const noted = one.locator('.restart-note').waitFor({ state: 'attached' })
      process.kill(host.sidecarPid()!, 'SIGKILL')
      await lastAnswer(one).locator('.problem').waitFor()
      await noted
      await one.locator('.restart-note').waitFor({ state: 'detached' })
      expect(await lastAnswer(one).getByText('SIDECAR_EXITED', { exact: true }).count()).toBe(1)
      await lastAnswer(one).getByRole('button', { name: 'Try again' }).click()
      await until(async () => (await one.locator('.answer[aria-busy="true"] .markdown').allInnerTexts()).join('').length > 20, 'it has begun again')
      await field(one).press('Escape')
      await ended(one)
      expect(await ask(one, '[[demo: text="After."]] The third message')).toBe('After.')
      await one.reload()
      await one.getByText('After.', { exact: true }).waitFor()
      const said = await one.locator('.bubble').allInnerTexts()
      expect(said.filter((text) => text.includes('first message'))).toHaveLength(1)
      expect(said.filter((text) => text.includes('third message'))).toHaveLength(1)
      expect(await one.locator('.markdown').allInnerTexts()).toContain('Before.')
    })

    test('a window neither hears, nor cancels, nor reads, nor continues what another one does', async () => {
      await other.evaluate(() => {
        const heard: string[] = []
        Object.assign(window, { heard })
        window.llm.onLlmToken((event) => heard.push(event.token))
        window.llm.onLlmDone((event) => heard.push(event.inferenceId))
      })
      const refused = await one.evaluate(async () => {
        const id = await window.llm.llmInference({ providerId: 'demo', inferenceId: 'mine', messages: [{ role: 'user', content: '[[demo: tokens=60]]' }] })
        return id
      })
      expect(refused).toBe('mine')
      const asked = await other.evaluate(async () => {
        const cancelled = await window.llm.llmCancel('mine').catch((error: Error) => error.message)
        const attached = await window.llm.llmAttachInference('mine', 0).catch((error: Error) => error.message)
        const again = await window.llm
          .llmInference({ providerId: 'demo', inferenceId: 'mine', messages: [{ role: 'user', content: 'x' }] })
          .catch((error: Error) => error.message)
        return { cancelled, attached, again }
      })
      expect(asked.cancelled).toContain('[INFERENCE_NOT_FOUND]')
      expect(asked.attached).toContain('[INFERENCE_NOT_FOUND]')
      expect(asked.again).toContain('[INFERENCE_EXISTS]')
      await one.evaluate(() => new Promise<void>((resolve) => window.llm.onLlmDone((event) => event.inferenceId === 'mine' && resolve())))
      expect(await other.evaluate(() => Reflect.get(window, 'heard'))).toEqual([])
    })

    test('a conversation that another window has open is not offered here', async () => {
      await one.keyboard.press('Control+k')
      await ask(one, '[[demo: text="Secret."]] Only for window one')
      await other.reload()
      await field(other).waitFor()
      expect((await sessions(other).allInnerTexts()).join(' ')).not.toContain('Only for window one')
      const id = decodeURIComponent(new URL(one.url()).hash.replace('#/chat/', ''))
      const refusal = await other.evaluate((sessionId) => window.llm.llmGetSessionHistory({ sessionId }).then(String, (error: Error) => error.message), id)
      expect(refusal).toContain('[SESSION_NOT_FOUND]')
    })

    test('nonsense and a flood are refused with typed errors, and nothing else suffers', async () => {
      const refusals = await other.evaluate(async () => {
        const tell = (error: Error): string => error.message
        const start = async (request: unknown): Promise<string> => window.llm.llmInference(request as never)
        const asked = [{ role: 'user', content: 'x' }]
        const wrong = await start({ messages: [] }).catch(tell)
        const cyclic: Record<string, unknown> = {}
        cyclic['self'] = cyclic
        const metadata = await start({ providerId: 'demo', messages: asked, metadata: cyclic }).catch(tell)
        const code = await start({ providerId: 'demo', messages: [{ role: 'user', content: () => 1 }] }).catch(tell)
        const flood = await Promise.all(Array.from({ length: 400 }, () => window.llm.llmGetStatus().then(() => 'ok', tell)))
        return { wrong, metadata, code, limited: flood.filter((text) => text.includes('[RATE_LIMIT')).length }
      })
      expect(refusals.wrong).toContain('[VALIDATION_ERROR]')
      expect(refusals.metadata).not.toMatch(/^[0-9a-f-]{36}$/)
      expect(refusals.code).toContain('[VALIDATION_ERROR]')
      expect(refusals.limited).toBeGreaterThan(0)
      expect(await ask(one, '[[demo: text="Still here."]]')).toBe('Still here.')
    })

    test('a window that is closed takes its work with it', async () => {
      const begun = (): Promise<boolean> => other.evaluate(() =>
        window.llm.llmInference({ providerId: 'demo', messages: [{ role: 'user', content: '[[demo: tokens=100000]]' }] }).then(() => true, () => false))
      await until(begun, 'its flood is forgotten')
      const running = (): Promise<number> => one.evaluate(async () => (await window.llm.llmGetStatus()).activeInferences)
      expect(await running()).toBe(1)
      await other.close()
      await until(async () => (await running()) === 0, 'nothing runs')
    })
  })
}
