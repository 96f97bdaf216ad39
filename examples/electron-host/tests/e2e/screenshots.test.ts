/** The pictures of the README, in light and dark, taken of what a user does. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ask, ended, field, lastAnswer, open, send, until } from './harness/app'
import { fakeOpenAi, type FakeOpenAi } from './harness/fake-openai'
import { KINDS, type Host } from './harness/host'

/** A run by hand or in CI shall not change the tree: `E2E_SCREENSHOTS=docs` takes those of the README. */
const FOLDER = resolve(import.meta.dirname, '../..', process.env['E2E_SCREENSHOTS'] ?? 'out/e2e/screenshots')

const REASONING = 'The user has a small app, so a server is out of the question. A file, SQLite and memory are what is left to compare.'
const ANSWER = [
  '## Three ways to keep a log', '',
  'Each of them is **one process** and needs no server:', '',
  '1. a file with a line for each event;', '2. SQLite with `journal_mode=WAL`;', '3. a ring buffer in memory.', '',
  '| way | survives a crash | a million lines |', '|---|---|--:|', '| file | all but the last | 120 MB |', '| SQLite | yes | 95 MB |', '| memory | no | 80 MB |', '',
  '```python', 'with sqlite3.connect("log.db") as db:', '    db.execute("pragma journal_mode = wal")', '    db.execute("insert into events values (?, ?)", (now, text))', '```', '',
  'For most apps, the second is the one to take.'
].join('\n')
const QUESTIONS = ['Plan a weekend in Oslo', 'Compare SQLite and PostgreSQL', 'Why is the sky blue?']

for (const { name, missing, start } of KINDS) {
  for (const colorScheme of ['light', 'dark'] as const) describe.skipIf(missing !== null)(`${name}: screenshots, ${colorScheme}`, () => {
    let host: Host
    let page: Page
    let server: FakeOpenAi
    beforeAll(async () => {
      mkdirSync(FOLDER, { recursive: true })
      server = await fakeOpenAi()
      host = await start({ colorScheme })
      page = await host.openWindow()
      await field(page).waitFor()
    })
    afterAll(async () => {
      await host?.close()
      await server?.close()
    })

    async function picture(of: string): Promise<void> {
      const taken = await page.screenshot({ path: resolve(FOLDER, `${of}-${colorScheme}.png`) })
      expect(taken.length).toBeGreaterThan(10_000)
    }

    test('profiles', async () => {
      await page.evaluate(async (endpointUrl) => {
        const made = [
          { name: 'Team gateway', providerType: 'openai-compatible' as const, endpointUrl, apiKey: 'gateway-0123456789', modelId: 'fake-small', consentTimestamp: Date.now() },
          { name: 'Work', providerType: 'openai' as const, apiKey: 'sk-screenshot-0123456789', modelId: 'gpt-4o-mini' },
          { name: 'Claude', providerType: 'anthropic' as const, apiKey: 'sk-ant-screenshot-0123456789' }
        ]
        for (const profile of made) await window.llmAPI.createProfile(profile)
      }, server.url)
      await open(page, 'Profiles')
      const gateway = page.getByRole('listitem', { name: 'Team gateway' })
      await gateway.getByRole('button', { name: 'Test' }).click()
      await gateway.locator('.result.good').waitFor()
      await picture('profiles')
    })

    test('chat while an answer streams', async () => {
      await open(page, 'Chat')
      for (const question of QUESTIONS) {
        await page.keyboard.press('Control+k')
        await ask(page, `${question} [[demo: text="A short answer." rate=max usage=prompt:${question.length * 4},completion:${question.length * 3}]]`)
      }
      await page.reload() // The active profile is the choice where none was made.
      await field(page).waitFor()
      await page.getByRole('button', { name: /Answered by Team gateway/ }).waitFor()
      Object.assign(server, { answer: ANSWER, reasoning: REASONING, pace: 25 })
      await page.keyboard.press('Control+k')
      await send(page, 'How should a small app keep its log?')
      await until(async () => (await lastAnswer(page).locator('.code code').allInnerTexts()).join('').includes('connect'), 'the code is being written')
      await picture('chat')
      await ended(page)
    })

    test('models', async () => {
      await page.evaluate(async () => {
        const list = await window.llmAPI.listProfiles()
        if (list.success) for (const { id, name: title } of list.data.profiles) if (title !== 'Team gateway') await window.llmAPI.deleteProfile({ id })
      })
      await open(page, 'Models')
      await page.getByText('demo-fast').waitFor()
      await page.getByText('fake-large').waitFor()
      await picture('models')
    })

    test('usage', async () => {
      await open(page, 'Usage')
      await page.getByRole('heading', { name: 'By day' }).waitFor()
      await page.getByRole('button', { name: '7 days' }).click()
      await until(async () => (await page.locator('.chart .column').count()) === 7, 'a week is shown')
      await picture('usage')
    })
  })
}
