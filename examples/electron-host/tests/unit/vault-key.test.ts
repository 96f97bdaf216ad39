import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { vaultKey, type SafeStorageLike } from '../../src/main/vault-key'

const flipped = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => byte ^ 0xff))
const storage = (available = true): SafeStorageLike => ({
  isAsyncEncryptionAvailable: async () => available,
  encryptStringAsync: async (text) => flipped(Buffer.from(text)),
  decryptStringAsync: async (bytes) => ({ result: flipped(bytes).toString(), shouldReEncrypt: false })
})
const folder = (): string => mkdtempSync(join(tmpdir(), 'key-'))

test('the key that was made is the key that is found again, and is not on disk as it is', async () => {
  const file = join(folder(), 'vault-key')
  const made = await vaultKey(storage(), file, [])
  expect(Buffer.from(made.key!, 'base64')).toHaveLength(32)
  expect(await vaultKey(storage(), file, [])).toEqual(made)
  expect(readFileSync(file).includes(made.key!)).toBe(false)
})

test('without a key store there is no key, and the problem says what follows', async () => {
  const { key, problem } = await vaultKey(storage(false), join(folder(), 'vault-key'), [])
  expect(key).toBeNull()
  expect(problem).toContain('without encryption')
})

test('a key file that cannot be read is left as it is', async () => {
  const file = join(folder(), 'vault-key')
  writeFileSync(file, 'damaged')
  expect((await vaultKey(storage(), file, [])).key).toBeNull()
  expect(readFileSync(file, 'utf8')).toBe('damaged')
})

test('beside a vault whose key is gone no new key is made', async () => {
  const at = folder()
  writeFileSync(join(at, 'vault'), 'closed')
  expect((await vaultKey(storage(), join(at, 'vault-key'), [join(at, 'vault')])).key).toBeNull()
})
