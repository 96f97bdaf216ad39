/** Where a model's link may lead. Law: what is not plainly the web or a mail address leads nowhere. */
const SCHEMES: readonly string[] = ['https:', 'http:', 'mailto:']

/** The address in full, or null. */
export function safeLink(href: string): string | null {
  const url = URL.canParse(href) ? new URL(href) : null
  return url !== null && SCHEMES.includes(url.protocol) && url.username === '' && url.password === '' ? url.href : null
}
