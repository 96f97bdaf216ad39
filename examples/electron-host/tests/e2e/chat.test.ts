/** A conversation, as a user has it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ask, ended, field, lastAnswer, open, send, sessions, until } from './harness/app'
import { KINDS, type Host } from './harness/host'

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: chat`, () => {
    let host: Host
    let page: Page
    beforeAll(async () => {
      host = await start()
      page = await host.openWindow()
      await field(page).waitFor()
    })
    afterAll(() => host?.close())

    test('an answer is streamed, with its tokens, price and times', async () => {
      const seen = new Set<number>()
      await send(page, '[[demo: text="One two three four five six seven eight nine ten, and **done**."]]')
      await until(async () => {
        seen.add((await lastAnswer(page).locator('.markdown').innerText()).length)
        return (await lastAnswer(page).getAttribute('aria-busy')) === 'false'
      }, 'the answer is complete')
      expect(seen.size).toBeGreaterThan(2)
      expect(await lastAnswer(page).locator('strong').innerText()).toBe('done')
      expect(await lastAnswer(page).locator('.answer-line').innerText()).toMatch(/demo-1 · \d+ → \d+ tokens · (?:price unknown|\$0\.00) · first token \d+ ms · /)
    })

    test('the first tokens are there, however early they come', async () => {
      for (let round = 0; round < 5; round += 1) {
        expect(await ask(page, '[[demo: echo rate=max connect=0 firstToken=0]] first-' + round)).toBe(`first-${round}`)
      }
    })

    test('an answer whose id the page did not choose, and that is listened to late, is whole', async () => {
      const text = await page.evaluate(async () => {
        const pieces: string[] = []
        const inferenceId = await window.llm.llmInference({ providerId: 'demo', messages: [{ role: 'user', content: '[[demo: echo rate=max firstToken=0 connect=0]] the beginning and the end' }] })
        await new Promise<void>((resolve) => {
          window.llm.onLlmToken((event) => { if (event.inferenceId === inferenceId) pieces.push(event.token) })
          window.llm.onLlmDone((event) => { if (event.inferenceId === inferenceId) resolve() })
        })
        return pieces.join('')
      })
      expect(text).toBe('the beginning and the end')
    })

    test('Escape stops an answer, and what came stays', async () => {
      await send(page, '[[demo: tokens=5000]]')
      await until(async () => (await lastAnswer(page).locator('.markdown').innerText()).length > 20, 'it has begun')
      await field(page).press('Escape')
      await ended(page)
      expect(await lastAnswer(page).locator('.answer-line').innerText()).toContain('stopped')
      expect((await lastAnswer(page).locator('.markdown').innerText()).length).toBeGreaterThan(20)
    })

    test('reasoning is folded, tool calls are shown and can be answered', async () => {
      await ask(page, '[[demo: reasoning="First this, then that." toolCall=weather{"city":"Oslo"}]] How is it?')
      expect(await lastAnswer(page).locator('details.reasoning').getAttribute('open')).toBeNull()
      expect(await lastAnswer(page).locator('.reasoning-text').textContent()).toBe('First this, then that.')
      expect(await lastAnswer(page).locator('.tool-call').innerText()).toContain('"city": "Oslo"')
      await lastAnswer(page).getByLabel('Result of weather').fill('{"degrees": 4}')
      await lastAnswer(page).getByRole('button', { name: 'Send the result' }).click()
      await page.locator('summary', { hasText: 'Result of a tool' }).waitFor()
      await ended(page)
      expect(await lastAnswer(page).locator('.problem').count()).toBe(0)
      expect((await lastAnswer(page).locator('.markdown').innerText()).length).toBeGreaterThan(0)
    })

    test('a failure has a title, a code and a way on, and can be asked again in its place', async () => {
      await ask(page, '[[demo: error=AUTH_ERROR]] let me in')
      expect(await lastAnswer(page).locator('.problem').innerText()).toContain('The key was refused')
      expect(await lastAnswer(page).getByText('AUTH_ERROR', { exact: true }).count()).toBe(1)
      expect(await lastAnswer(page).getByRole('link', { name: 'Open profiles' }).count()).toBe(1)
      await ask(page, '[[demo: text="One two three four" truncate=3]]')
      expect(await lastAnswer(page).locator('.problem').innerText()).toContain('The answer was cut off')
      const asked = await page.locator('.bubble').count()
      await lastAnswer(page).getByRole('button', { name: 'Try again' }).click()
      await page.locator('.answer[aria-busy="true"]').waitFor()
      await ended(page)
      expect(await page.locator('.bubble').count()).toBe(asked)
      expect(await lastAnswer(page).locator('.markdown').innerText()).toContain('One two')
      expect(await ask(page, '[[demo: text="well again"]]')).toBe('well again')
    })

    test('a conversation survives a reload, an answer being written included', async () => {
      await page.keyboard.press('Control+k')
      await ask(page, '[[demo: text="I shall be kept."]] Remember this')
      await until(async () => (await sessions(page).allInnerTexts()).some((text) => text.includes('Remember this')), 'it is listed')
      await send(page, '[[demo: tokens=120 text="It goes on: "]]')
      await until(async () => (await lastAnswer(page).locator('.markdown').innerText()).includes('It goes on'), 'it has begun')
      await page.reload()
      await page.getByText('I shall be kept.', { exact: true }).waitFor()
      await ended(page)
      const last = await lastAnswer(page).locator('.markdown').innerText()
      expect(last.startsWith('It goes on: ')).toBe(true)
      expect(last.length).toBeGreaterThan(200)
    })

    test('a conversation is forked and deleted', async () => {
      const before = await sessions(page).count()
      await sessions(page).first().hover()
      await sessions(page).first().getByRole('button', { name: /^Fork/ }).click()
      await until(async () => (await sessions(page).count()) === before + 1, 'the fork is listed')
      await page.getByText('I shall be kept.', { exact: true }).waitFor()
      await sessions(page).first().hover()
      await sessions(page).first().getByRole('button', { name: /^Delete/ }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
      await until(async () => (await sessions(page).count()) === before, 'it is gone')
    })

    test('two conversations are answered at once, and each keeps its own', async () => {
      await page.keyboard.press('Control+k')
      await send(page, '[[demo: tokens=150]] The slow one')
      await page.locator('.answer').waitFor()
      await page.keyboard.press('Control+k')
      expect(await ask(page, '[[demo: text="quick"]] The quick one')).toBe('quick')
      await page.getByRole('button', { name: /The slow one/ }).first().click()
      await ended(page)
      expect((await lastAnswer(page).locator('.markdown').innerText()).length).toBeGreaterThan(200)
    })

    test('everything can be done with the keyboard', async () => {
      await open(page, 'Chat')
      await page.keyboard.press('Control+k')
      await until(() => field(page).evaluate((element) => element === document.activeElement), 'the field has the focus')
      await page.keyboard.type('line one')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('[[demo: echo]]')
      await page.keyboard.press('Enter')
      await page.locator('.answer').waitFor()
      await ended(page)
      expect(await page.locator('.bubble').last().innerText()).toBe('line one\n[[demo: echo]]')
      const items = page.locator('[data-item]')
      await page.locator('[data-item][tabindex="0"]').focus()
      await page.keyboard.press('End')
      expect(await items.last().evaluate((element) => element === document.activeElement)).toBe(true)
      await page.keyboard.press('ArrowUp')
      await page.keyboard.press('Enter')
      const name = (await items.nth((await items.count()) - 2).locator('.session-title').innerText()).trim()
      await until(async () => (await page.locator('.session.current .session-title').innerText()).trim() === name, 'it is shown')
    })
  })
}
