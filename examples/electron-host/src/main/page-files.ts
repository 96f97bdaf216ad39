/**
 * The app's own page, at `app://host/…`: a scheme of its own instead of `file:`, so that it has an origin and headers.
 *
 * Law: only files below the folder of the built page, by GET; everything else is 404. Every answer carries the policy.
 */
import { readFile, realpath } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { CONTENT_SECURITY_POLICY } from '../shared/csp'

export const PAGE_SCHEME = 'app'
export const PAGE_URL = `${PAGE_SCHEME}://host/index.html`

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2'
}

export async function pageFile(folder: string, request: { url: string; method: string }): Promise<Response> {
  const nothing = new Response(null, { status: 404 })
  try {
    const { pathname } = new URL(request.url)
    const type = TYPES[extname(pathname)]
    if (request.method !== 'GET' || type === undefined) return nothing
    const root = await realpath(folder)
    const file = await realpath(join(root, decodeURIComponent(pathname)))
    if (!file.startsWith(root + sep)) return nothing
    const headers = {
      'content-type': type,
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff'
    }
    return new Response(new Uint8Array(await readFile(file)), { headers })
  } catch {
    return nothing
  }
}
