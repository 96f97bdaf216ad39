/**
 * What a page of the app may load and do: its own scripts, styles and pictures, nothing else, no network.
 *
 * Law: no `unsafe-inline`, no `unsafe-eval`; a model's words that end up as markup can neither run nor phone home.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')
