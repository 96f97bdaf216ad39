/** Jobs and usage. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Locator, Page } from 'playwright-core'
import { ask, field, open, until } from './harness/app'
import { KINDS, type Host } from './harness/host'

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: pages`, () => {
    let host: Host
    let page: Page
    beforeAll(async () => {
      host = await start()
      page = await host.openWindow()
      await field(page).waitFor()
    })
    afterAll(() => host?.close())

    const job = (title: string): Locator => page.getByRole('listitem', { name: title })

    async function submit(text: string): Promise<void> {
      await page.getByLabel('Prompt').fill(text)
      await page.getByRole('button', { name: /^Submit/ }).click()
    }

    test('a job runs, shows how far it is, and its result can be read', async () => {
      await open(page, 'Jobs')
      await submit('[[demo: tokens=60]] Long enough to be seen')
      await job('Long enough').getByRole('progressbar').waitFor()
      await job('Long enough').locator('.state-done').waitFor()
      await job('Long enough').getByRole('button', { name: 'Show result' }).click()
      await until(async () => (await job('Long enough').locator('.job-answer').innerText()).length > 40, 'the text is there')
    })

    test('a job is cancelled; one that fails says why', async () => {
      await submit('[[demo: tokens=5000]] Never mind')
      await job('Never mind').getByRole('button', { name: 'Cancel' }).click()
      await job('Never mind').locator('.state-cancelled').waitFor()
      await submit('[[demo: error=INVALID_REQUEST]] Wrong from the start')
      await job('Wrong from').locator('.state-failed').waitFor()
      expect(await job('Wrong from').innerText()).toContain('INVALID_REQUEST')
    })

    test('usage counts what was answered, by day, model and provider; a budget is set and removed', async () => {
      await open(page, 'Chat')
      await ask(page, '[[demo: text="counted" usage=prompt:1200,completion:45]]')
      await open(page, 'Usage')
      await page.getByRole('heading', { name: 'By day' }).waitFor()
      expect(await page.locator('.totals').innerText()).toMatch(/1,\d{3} in/)
      expect(await page.locator('.chart .column').count()).toBe(30)
      expect(await page.locator('.bars').first().innerText()).toContain('demo-1')
      await page.getByRole('button', { name: '7 days' }).click()
      await until(async () => (await page.locator('.chart .column').count()) === 7, 'a week is shown')
      await page.getByLabel('US dollars').fill('12.5')
      await page.getByRole('button', { name: 'Set budget' }).click()
      await page.getByText('$0.00 of $12.50').waitFor()
      await page.getByRole('button', { name: 'Remove' }).click()
      await page.getByText('$0.00 of $12.50').waitFor({ state: 'detached' })
    })
  })
}
