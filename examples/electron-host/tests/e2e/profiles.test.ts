/** Profiles, against a server of our own that speaks OpenAI's format. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Locator, Page } from 'playwright-core'
import { ask, field, open, until } from './harness/app'
import { fakeOpenAi, SENTENCE, type FakeOpenAi } from './harness/fake-openai'
import { KINDS, type Host } from './harness/host'

const KEY = 'sk-e2e-Kq81LmZ0TtXw92Pa'

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: profiles`, () => {
    let host: Host
    let page: Page
    let server: FakeOpenAi
    beforeAll(async () => {
      server = await fakeOpenAi()
      host = await start()
      page = await host.openWindow('#/profiles')
      await page.getByRole('heading', { level: 1, name: 'Profiles' }).waitFor()
    })
    afterAll(async () => {
      await host?.close()
      await server?.close()
    })

    const card = (title: string): Locator => page.getByRole('listitem', { name: title, exact: true })
    const dialog = (): Locator => page.getByRole('dialog')

    async function create(title: string, key: string): Promise<void> {
      await page.getByRole('button', { name: 'New profile' }).click()
      await dialog().getByLabel('Name', { exact: true }).fill(title)
      await dialog().getByLabel('Provider').selectOption('openai-compatible')
      await dialog().getByLabel('Address', { exact: true }).fill(server.url)
      if (key !== '') await dialog().getByLabel('API key').fill(key)
      await dialog().getByLabel('Model', { exact: true }).fill('fake-small')
    }

    test('consent is asked for, and a wrong field is named where it is', async () => {
      await create('Mine', KEY)
      await dialog().getByRole('button', { name: 'Create profile' }).click()
      await dialog().getByText('VALIDATION_ERROR').waitFor()
      await dialog().getByLabel('Address', { exact: true }).fill('not an address')
      await dialog().getByLabel(/I agree/).check()
      await dialog().getByRole('button', { name: 'Create profile' }).click()
      await until(async () => (await dialog().getByLabel('Address', { exact: true }).getAttribute('aria-invalid')) === 'true', 'the address is marked')
      await dialog().getByLabel('Address', { exact: true }).fill(server.url)
      await dialog().getByRole('button', { name: 'Create profile' }).click()
      await card('Mine').waitFor()
      expect(await card('Mine').innerText()).toContain('stored, encrypted')
    })

    test('a test prompt shows the answer and the times, and a refused key its code', async () => {
      await card('Mine').getByRole('button', { name: 'Test' }).click()
      await card('Mine').locator('.result.good').waitFor()
      expect(await card('Mine').innerText()).toContain(SENTENCE)
      expect(server.authorizations.at(-1)).toBe(`Bearer ${KEY}`)
      server.status = 401
      await card('Mine').getByRole('button', { name: 'Test' }).click()
      await card('Mine').locator('.result.bad').waitFor()
      expect(await card('Mine').innerText()).toContain('AUTH_ERROR')
      server.status = 200
    })

    test('the active profile answers in the chat, and its models are listed', async () => {
      await create('Second', '')
      await dialog().getByLabel(/I agree/).check()
      await dialog().getByRole('button', { name: 'Create profile' }).click()
      await card('Second').getByRole('button', { name: 'Activate' }).click()
      await card('Mine').getByRole('button', { name: 'Activate' }).click()
      await card('Mine').getByText('active', { exact: true }).waitFor()
      await open(page, 'Models')
      const offered = page.getByRole('region', { name: 'Models of Mine', exact: true })
      await offered.getByText('fake-large').waitFor()
      await offered.getByRole('button', { name: 'Chat with fake-small' }).click()
      await field(page).waitFor()
      expect(await ask(page, 'Hello')).toBe(SENTENCE)
      await open(page, 'Profiles')
    })

    test('the key is nowhere in the page, and its field is never filled', async () => {
      await card('Mine').getByRole('button', { name: 'Edit' }).click()
      expect(await dialog().getByLabel('API key').inputValue()).toBe('')
      await dialog().getByRole('button', { name: 'Cancel' }).click()
      const everywhere = await page.evaluate(() => {
        const fields = [...document.querySelectorAll('input')].map((input) => input.value)
        return document.documentElement.outerHTML + fields.join() + JSON.stringify(localStorage)
      })
      expect(everywhere).not.toContain(KEY)
      const told = await page.evaluate(async () => JSON.stringify([await window.llmAPI.listProfiles(), await window.llm.llmListAudit()]))
      expect(told).toContain('***REDACTED***')
      expect(told).not.toContain(KEY)
    })

    test('an edit changes what it names and keeps the key', async () => {
      await card('Mine').getByRole('button', { name: 'Edit' }).click()
      await dialog().getByLabel('Name', { exact: true }).fill('Renamed')
      await dialog().getByRole('button', { name: 'Save changes' }).click()
      await card('Renamed').getByRole('button', { name: 'Test' }).click()
      await card('Renamed').locator('.result.good').waitFor()
      expect(server.authorizations.at(-1)).toBe(`Bearer ${KEY}`)
    })

    test('the active one is deleted, and another takes its place', async () => {
      await card('Renamed').getByRole('button', { name: 'Delete Renamed' }).click()
      await dialog().getByRole('button', { name: 'Delete', exact: true }).click()
      await card('Renamed').waitFor({ state: 'detached' })
      await card('Second').getByText('active', { exact: true }).waitFor()
    })

    test('where keys cannot be encrypted, it is said: why, in the form, and beside each key', async () => {
      const bare = await start({ keyStore: false })
      const before = page
      try {
        page = await bare.openWindow('#/profiles')
        await page.getByText('Keys are not encrypted.').waitFor()
        expect(await page.locator('.warning').innerText()).toContain('no key store')
        await create('Plain', KEY)
        expect(await dialog().innerText()).toContain('Stored without encryption')
        await dialog().getByRole('checkbox').check()
        await dialog().getByRole('button', { name: 'Create profile' }).click()
        await card('Plain').getByText('stored, not encrypted').waitFor()
      } finally {
        page = before
        await bare.close()
      }
    })

    test('looking for local servers ends with what was probed', async () => {
      await page.getByRole('button', { name: 'Find local servers' }).click()
      const found = page.getByRole('region', { name: 'Servers on this machine' })
      await found.waitFor()
      expect(await found.innerText()).toMatch(/\d{4,5}: /)
    })
  })
}
