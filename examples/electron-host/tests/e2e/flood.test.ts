/** Many tokens: none is dropped, and the page stays quick. Times are printed, not asserted: the machine is shared. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ended, field, lastAnswer, send } from './harness/app'
import { KINDS, type Host } from './harness/host'

interface Frames {
  text: string
  tokens: number
  gaps: number
  frames: number[]
}

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: flood`, () => {
    let host: Host
    let page: Page
    beforeAll(async () => {
      host = await start()
      page = await host.openWindow()
      await field(page).waitFor()
    })
    afterAll(() => host?.close())

    /** What the page hears and how long its frames take, from now until the answer is over. */
    async function measured(prompt: string): Promise<Frames> {
      await page.keyboard.press('Control+k')
      await page.evaluate(() => {
        const seen = { text: '', tokens: 0, gaps: 0, frames: [] as number[], next: 0, over: false }
        Object.assign(window, { seen })
        window.llm.onLlmToken(({ token, count, index }) => {
          if (seen.over) return
          seen.text += token
          seen.tokens += count
          if (index !== seen.next) seen.gaps += 1
          seen.next = index + count
        })
        window.llm.onLlmDone(() => (seen.over = true))
        let last = performance.now()
        const frame = (): void => {
          const now = performance.now()
          seen.frames.push(now - last)
          last = now
          if (!seen.over || document.querySelector('.answer[aria-busy="true"]') !== null) requestAnimationFrame(frame)
        }
        requestAnimationFrame(frame)
      })
      await send(page, prompt)
      await page.locator('.answer').waitFor()
      await page.waitForFunction(() => (Reflect.get(window, 'seen') as { over: boolean }).over)
      await ended(page)
      return page.evaluate(() => Reflect.get(window, 'seen') as Frames)
    }

    async function heap(): Promise<number> {
      const session = await page.context().newCDPSession(page)
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      await session.detach()
      return usedSize / 2 ** 20
    }

    function told(what: string, { frames }: Frames, megabytes: string): void {
      const sorted = [...frames].sort((one, other) => one - other)
      const at = (part: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1)
      console.log(`${what}: ${frames.length} frames, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; ${megabytes}`)
    }

    /** Where, and how, two long texts differ. */
    function firstDifference(one: string, other: string): string | null {
      if (one === other) return null
      let at = 0
      while (one[at] === other[at]) at += 1
      return `${at} of ${one.length} and ${other.length}: ${one.slice(at - 20, at + 60)} | ${other.slice(at - 20, at + 60)}`
    }

    /** White space is Markdown's. */
    const bare = (text: string): string => text.replace(/\s+/g, '')

    test('100,000 tokens as fast as they come: all of them are on the page', async () => {
      const before = await heap()
      const seen = await measured('[[demo: tokens=100000 rate=max]]')
      expect(seen.tokens).toBe(100_000)
      expect(seen.gaps).toBe(0)
      const shown = await lastAnswer(page).locator('.markdown').evaluate((element) => element.textContent)
      expect(firstDifference(bare(shown), bare(seen.text))).toBeNull()
      expect(await lastAnswer(page).locator('.answer-line').innerText()).toContain('100,000 tokens')
      await page.evaluate(() => Reflect.deleteProperty(window, 'seen'))
      told('100,000 tokens at once', seen, `heap ${before.toFixed(1)} → ${(await heap()).toFixed(1)} MiB with ${(seen.text.length / 1e6).toFixed(1)} million characters on the page`)
    })

    test('500 tokens a second', async () => {
      told('the same without tokens, for comparison', await measured('[[demo: firstToken=2000 text="."]]'), 'this is the machine')
      const before = await heap()
      const seen = await measured('[[demo: tokens=2000 rate=500]]')
      expect(seen.tokens).toBe(2_000)
      told('500 tokens a second for 4 s', seen, `heap ${before.toFixed(1)} → ${(await heap()).toFixed(1)} MiB`)
    })
  })
}
