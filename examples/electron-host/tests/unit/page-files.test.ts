/** The page's files: what is below the folder, and nothing else, however it is spelt. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pageFile } from '../../src/main/page-files'
import { CONTENT_SECURITY_POLICY } from '../../src/shared/csp'
import { folder } from '../support/bridge'

const at = folder()
const page = join(at, 'page')
mkdirSync(join(page, 'assets'), { recursive: true })
mkdirSync(join(at, 'page-of-another'))
writeFileSync(join(page, 'index.html'), '<p>the page</p>')
writeFileSync(join(page, 'assets/app.js'), 'the script')
writeFileSync(join(page, 'assets/with space.js'), 'the other script')
writeFileSync(join(page, 'notes.txt'), 'not for a page')
writeFileSync(join(page, 'assets/.env'), 'SECRET=1')
writeFileSync(join(at, 'secret.html'), 'a secret')
writeFileSync(join(at, 'page-of-another/secret.html'), 'a secret')
symlinkSync(join(at, 'secret.html'), join(page, 'link.html'))

const get = (url: string, method = 'GET'): Promise<Response> => pageFile(page, { url, method })

test.each([
  ['app://host/index.html', '<p>the page</p>', 'text/html; charset=utf-8'],
  ['app://host/assets/app.js?v=1#top', 'the script', 'text/javascript; charset=utf-8'],
  ['app://host/assets/with%20space.js', 'the other script', 'text/javascript; charset=utf-8'],
  ['app://host/assets/../index.html', '<p>the page</p>', 'text/html; charset=utf-8']
])('%s is served, with its type and the policy', async (url, text, type) => {
  const response = await get(url)
  expect(response.status).toBe(200)
  expect(await response.text()).toBe(text)
  expect(Object.fromEntries(response.headers)).toEqual({
    'content-type': type, 'content-security-policy': CONTENT_SECURITY_POLICY, 'x-content-type-options': 'nosniff'
  })
})

test.each([
  'app://host/../secret.html', 'app://host/%2e%2e/secret.html', 'app://host/..%2fsecret.html', 'app://host/%2e%2e%2fsecret.html',
  'app://host/assets/..%2f..%2fsecret.html', 'app://host/..%5csecret.html', 'app://host/%252e%252e%252fsecret.html',
  'app://host/..%2fpage-of-another%2fsecret.html', `app://host/${encodeURIComponent(join(at, 'secret.html'))}`, 'app://host//etc/passwd.html',
  'app://host/link.html', 'app://host/index.html%00.png', 'app://host/%00/index.html', 'app://host/%ff.html', 'app://host/%E0%A4%A.html',
  'app://host/', 'app://host/assets', 'app://host/assets/', 'app://host/notes.txt', 'app://host/assets/.env', 'app://host/missing.html',
  `app://host/${'x'.repeat(10_000)}.html`, 'app:', '', 'index.html', 'file:///etc/passwd'
])('%s is 404 and says nothing', async (url) => {
  const response = await get(url)
  expect(response.status).toBe(404)
  expect(await response.text()).toBe('')
})

test.each(['POST', 'HEAD', 'PUT', 'get'])('%s is 404', async (method) => {
  expect((await get('app://host/index.html', method)).status).toBe(404)
})

test('a folder that is not there serves nothing', async () => {
  expect((await pageFile(join(at, 'nowhere'), { url: 'app://host/index.html', method: 'GET' })).status).toBe(404)
})
