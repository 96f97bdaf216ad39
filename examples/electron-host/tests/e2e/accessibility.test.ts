/** What axe-core finds, on every page, in light and dark. */
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type axe from 'axe-core'
import type { Page } from 'playwright-core'
import { ask, field, open } from './harness/app'
import { KINDS, type Host } from './harness/host'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const EVERYTHING = [
  '[[demo: echo rate=max reasoning="Let me think." toolCall=weather{"city":"Oslo"}]] # Title',
  '', 'A paragraph with a [link](https://example.com/), `code` and **bold**.', '',
  '| a | b |', '|---|--:|', '| 1 | 2 |', '', '- [x] done', '- [ ] open', '', '```python', 'print(1)', '```', '', '> a quote'
].join('\n')

for (const { name, missing, start } of KINDS) {
  for (const colorScheme of ['light', 'dark'] as const) describe.skipIf(missing !== null)(`${name}: accessibility, ${colorScheme}`, () => {
    let host: Host
    let page: Page
    beforeAll(async () => {
      host = await start({ colorScheme, reducedMotion: 'reduce' })
      page = await host.openWindow()
      await field(page).waitFor()
    })
    afterAll(() => host?.close())

    async function violations(): Promise<string[]> {
      const session = await page.context().newCDPSession(page)
      await session.send('Page.setBypassCSP', { enabled: true })
      await page.evaluate(await axeSource())
      const { violations: found } = await page.evaluate(() =>
        (Reflect.get(window, 'axe') as typeof axe).run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })
      )
      return found
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(' ')} (${any[0]?.message ?? ''})`))
    }

    test('what is wrong is found', async () => {
      await page.evaluate(() => {
        const wrong = document.createElement('button')
        wrong.id = 'wrong'
        document.body.append(wrong)
      })
      expect((await violations()).join()).toContain('button-name: #wrong')
      await page.evaluate(() => document.getElementById('wrong')?.remove())
    })

    test('chat: empty, with everything an answer can have, with a failure, with the picker open', async () => {
      expect(await violations()).toEqual([])
      await ask(page, EVERYTHING)
      await page.locator('details.reasoning summary').click()
      expect(await violations()).toEqual([])
      await ask(page, '[[demo: error=AUTH_ERROR]]')
      await page.getByRole('button', { name: /Answered by/ }).click()
      await page.getByRole('option', { name: /demo-fast/ }).waitFor()
      expect(await violations()).toEqual([])
      await page.keyboard.press('Escape')
    })

    test('profiles: the page, the form, the discovery', async () => {
      await open(page, 'Profiles')
      expect(await violations()).toEqual([])
      await page.getByRole('button', { name: 'New profile' }).click()
      await page.getByLabel('Provider').selectOption('azure')
      expect(await violations()).toEqual([])
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    })

    test('models, jobs, usage', async () => {
      await open(page, 'Models')
      await page.getByText('demo-fast').waitFor()
      expect(await violations()).toEqual([])
      await open(page, 'Jobs')
      await page.getByLabel('Prompt').fill('[[demo: tokens=20]] a job')
      await page.getByRole('button', { name: /^Submit/ }).click()
      await page.locator('.state-done').waitFor()
      expect(await violations()).toEqual([])
      await open(page, 'Usage')
      await page.getByRole('heading', { name: 'By day' }).waitFor()
      expect(await violations()).toEqual([])
    })

    test('a narrow window: every page is there under its name, and nothing runs out of it', async () => {
      await page.setViewportSize({ width: 480, height: 640 })
      for (const each of ['Chat', 'Profiles', 'Models', 'Jobs', 'Usage'] as const) {
        await open(page, each)
        expect(await violations()).toEqual([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(480)
      }
    })

    test('without a sidecar: what is the matter, and what it said last', async () => {
      const other = await start({ colorScheme, reducedMotion: 'reduce', command: [process.execPath, '-e', 'console.error("a trace"); process.exit(1)', '--'], restart: { firstDelayMs: 1 } })
      const before = page
      try {
        page = await other.openWindow()
        await page.getByText('What it said last').click()
        expect(await violations()).toEqual([])
      } finally {
        page = before
        await other.close()
      }
    })
  })
}

let source: Promise<string> | undefined
function axeSource(): Promise<string> {
  source ??= import('node:fs/promises').then((fs) => fs.readFile(AXE, 'utf8'))
  return source
}
