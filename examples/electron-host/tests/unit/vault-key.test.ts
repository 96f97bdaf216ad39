import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
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

test('a key store that gives another key back: none is used, and none is left', async () => {
  const file = join(folder(), 'vault-key')
  const forgetful = { ...storage(), decryptStringAsync: async () => ({ result: 'another', shouldReEncrypt: false }) }
  const { key, problem } = await vaultKey(forgetful, file, [])
  expect(key).toBeNull()
  expect(problem).toContain('could not be kept')
  expect(existsSync(file)).toBe(false)
})

test('a key store that throws, or says basic_text, is none', async () => {
  const file = join(folder(), 'deep/er/vault-key')
  const fails = async (): Promise<never> => { throw new Error('locked') }
  expect((await vaultKey({ ...storage(), isAsyncEncryptionAvailable: fails }, file, [])).key).toBeNull()
  expect((await vaultKey({ ...storage(), encryptStringAsync: fails }, file, [])).key).toBeNull()
  if (process.platform === 'linux') expect((await vaultKey({ ...storage(), getSelectedStorageBackend: () => 'basic_text' }, file, [])).key).toBeNull()
  const { key } = await vaultKey(storage(), file, [])
  expect((await vaultKey({ ...storage(), decryptStringAsync: fails }, file, [])).problem).toContain('cannot be read')
  expect((await vaultKey(storage(), file, [])).key).toBe(key)
})

test('a key whose encryption is out of date is encrypted anew, and stays the same key', async () => {
  const file = join(folder(), 'vault-key')
  const { key } = await vaultKey(storage(), file, [])
  let encrypted = 0
  const ageing = { ...storage(), decryptStringAsync: async (bytes: Buffer) => ({ result: flipped(bytes).toString(), shouldReEncrypt: true }),
    encryptStringAsync: async (text: string) => { encrypted += 1; return flipped(Buffer.from(text)) } }
  expect((await vaultKey(ageing, file, [])).key).toBe(key)
  expect(encrypted).toBe(1)
  expect((await vaultKey(storage(), file, [])).key).toBe(key)
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
