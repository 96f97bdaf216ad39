/** What a form can tell of an address; the sidecar has the last word. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** `http://` to another machine: what is sent can be read on the way. */
export function isInsecure(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname } = new URL(address)
  return protocol === 'http:' && !LOOPBACK.test(hostname)
}

/** Whether a stored key would be dropped, since it was given for another place. */
export function isOtherOrigin(address: string, stored: string): boolean {
  if (!URL.canParse(stored)) return false
  return !URL.canParse(address) ? address !== '' : new URL(address).origin !== new URL(stored).origin
}
