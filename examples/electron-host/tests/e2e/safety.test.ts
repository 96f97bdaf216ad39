/** What a model writes can neither run, nor load, nor lead anywhere it should not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { ask, ended, field, lastAnswer } from './harness/app'
import { KINDS, type Host } from './harness/host'

const CORPUS = [
  '<script>window.pwned = 1</script>',
  '<img src=x onerror="window.pwned = 1">',
  '<svg onload="window.pwned = 1"><animate onbegin="window.pwned = 1" attributeName=x dur=1s></svg>',
  '<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>',
  '<a href="javascript:window.pwned = 1">click</a>',
  '[click](javascript:window.pwned=1)',
  '[click](JaVaScRiPt:window.pwned=1)',
  '[click](java&#115;cript:window.pwned=1)',
  '[click](&#x6A;avascript:window.pwned=1)',
  '[click](\u0001javascript:window.pwned=1)',
  '[click](data:text/html,<script>parent.pwned=1</script>)',
  '[click](vbscript:msgbox)',
  '[click](file:///etc/passwd)',
  '[click](https://user:password@evil.example/)',
  '[click](#/profiles)',
  '<javascript:window.pwned=1>',
  '![p](javascript:window.pwned=1)',
  '![p](https://evil.example/leak.png?x=1)',
  '![p](x" onerror="window.pwned=1)',
  '[a]: javascript:window.pwned=1\n\n[a]',
  '<details open ontoggle="window.pwned = 1">',
  '<style>body { display: none }</style>',
  '<base href="https://evil.example/">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
  '<form action="https://evil.example/"><button>go</button></form>',
  '<math><mtext><table><mglyph><style><img src=x onerror="window.pwned = 1">',
  '```"><img src=x onerror="window.pwned=1">\ncode\n```',
  '| <img src=x onerror="window.pwned=1"> |\n|---|\n| `<script>window.pwned=1</script>` |',
  '`<img src=x onerror=window.pwned=1>`',
  '&lt;img src=x onerror=&quot;window.pwned=1&quot;&gt;',
  '- [x] <script>window.pwned=1</script>'
]

for (const { name, missing, start } of KINDS) {
  describe.skipIf(missing !== null)(`${name}: safety`, () => {
    let host: Host
    let page: Page
    const requested: string[] = []
    beforeAll(async () => {
      host = await start()
      page = await host.openWindow()
      await field(page).waitFor()
      page.on('request', (request) => requested.push(request.url()))
    })
    afterAll(() => host?.close())

    test('a corpus of attacks stays text, in an answer and after a reload', async () => {
      await ask(page, `[[demo: echo rate=max]] ${CORPUS.join('\n\n')}`)
      const check = async (): Promise<void> => {
        const state = await page.evaluate(() => {
          const inside = [...document.querySelectorAll('.markdown *')]
          return {
            pwned: Reflect.get(window, 'pwned') as unknown,
            tags: [...new Set(inside.map((element) => element.tagName.toLowerCase()))],
            handlers: inside.flatMap((element) => element.getAttributeNames().filter((attribute) => attribute.startsWith('on') || attribute === 'style')),
            links: inside.flatMap((element) => element.getAttribute('href') ?? []),
            loads: inside.flatMap((element) => element.getAttribute('src') ?? [])
          }
        })
        expect(state.pwned).toBeUndefined()
        expect(state.handlers).toEqual([])
        expect(state.loads).toEqual([])
        expect(state.links.filter((link) => !/^(https?:\/\/evil\.example|mailto:)/.test(link))).toEqual([])
        for (const tag of ['script', 'img', 'svg image', 'iframe', 'form', 'style', 'base', 'meta', 'object', 'math']) {
          expect(state.tags).not.toContain(tag)
        }
      }
      await check()
      expect(await lastAnswer(page).innerText()).toContain('<script>window.pwned = 1</script>')
      await page.reload()
      await page.locator('.markdown').last().waitFor()
      await check()
      expect(requested.filter((url) => url.includes('evil.example'))).toEqual([])
    })

    test('every link opens outside and the page stays', async () => {
      const before = page.url()
      await ask(page, '[[demo: echo rate=max]] [out](https://example.com/) and [in](#/profiles)')
      const links = lastAnswer(page).locator('.markdown a')
      expect(await links.count()).toBe(1)
      expect(await links.first().getAttribute('target')).toBe('_blank')
      expect(await links.first().getAttribute('rel')).toContain('noopener')
      expect(new URL(page.url()).pathname).toBe(new URL(before).pathname)
    })

    test('the policy of the page refuses inline script, foreign pictures and the network', async () => {
      const refused = await page.evaluate(async () => {
        const violations: string[] = []
        document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective))
        const script = document.createElement('script')
        script.textContent = 'window.pwned = 1'
        document.body.append(script)
        const picture = new Image()
        picture.src = 'https://evil.example/x.png'
        await new Promise((resolve) => (picture.onerror = resolve))
        const told = new Promise((resolve) => document.addEventListener('securitypolicyviolation', resolve))
        await fetch('https://evil.example/').catch(() => undefined)
        await told
        return { violations, pwned: Reflect.get(window, 'pwned') as unknown }
      })
      expect(refused.pwned).toBeUndefined()
      expect(new Set(refused.violations)).toEqual(new Set(['script-src-elem', 'img-src', 'connect-src']))
    })

    test('the same corpus, streamed a character at a time', async () => {
      await page.keyboard.press('Control+k')
      const text = CORPUS.slice(0, 8).join('\n\n')
      await field(page).fill(`[[demo: echo rate=400]] ${text}`)
      await field(page).press('Enter')
      await page.locator('.answer').waitFor()
      await ended(page)
      expect(await page.evaluate(() => Reflect.get(window, 'pwned') as unknown)).toBeUndefined()
      expect(await page.locator('.markdown :is(script, img, iframe, svg)').count()).toBe(0)
    })
  })
}
