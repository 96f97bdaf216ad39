/** What a user does, in words. */
import { expect } from 'vitest'
import type { Locator, Page } from 'playwright-core'
import { DEADLINE_MS } from './host'

export const field = (page: Page): Locator => page.getByRole('textbox', { name: 'Message' })
export const lastAnswer = (page: Page): Locator => page.getByRole('article', { name: 'Answer' }).last()
export const sessions = (page: Page): Locator => page.getByRole('navigation', { name: 'Conversations' }).getByRole('listitem')
const stop = (page: Page): Locator => page.getByRole('button', { name: 'Stop the answer' })

export async function send(page: Page, text: string): Promise<void> {
  await field(page).fill(text)
  await field(page).press('Enter')
}

/** Until the last answer is over. */
export async function ended(page: Page): Promise<void> {
  await page.locator('.answer[aria-busy="false"]').last().waitFor()
  await stop(page).waitFor({ state: 'detached' })
}

export async function ask(page: Page, text: string): Promise<string> {
  const before = await page.locator('.answer').count()
  await send(page, text)
  await page.locator('.answer').nth(before).waitFor()
  await ended(page)
  return (await lastAnswer(page).locator('.markdown').innerText()).trim()
}

export async function open(page: Page, name: 'Chat' | 'Profiles' | 'Models' | 'Jobs' | 'Usage'): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click()
  await page.getByRole('heading', { level: 1, name }).waitFor({ state: 'attached' })
}

/** `wanted` comes to hold before the deadline. */
export async function until(wanted: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await wanted())) {
    if (performance.now() > deadline) expect.fail(`Waited in vain until ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
