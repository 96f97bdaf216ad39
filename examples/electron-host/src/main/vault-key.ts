/**
 * The key of the sidecar's vault: 32 random bytes, kept by the operating system's key store (`safeStorage`).
 *
 * Law: what is on disk is encrypted; a new key is made only where neither a key file nor a vault exists, and used only
 * after it was read back; a key file that cannot be read is never replaced. Without a key, `problem` says why.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** The part of Electron's `safeStorage` that is used: the asynchronous one. */
export interface SafeStorageLike {
  isAsyncEncryptionAvailable(): Promise<boolean>
  encryptStringAsync(plainText: string): Promise<Buffer>
  decryptStringAsync(encrypted: Buffer): Promise<{ result: string; shouldReEncrypt: boolean }>
  /** Linux only: `basic_text` is a password that everybody knows. */
  getSelectedStorageBackend?(): string
}

export type VaultKey =
  | { /** base64 of 32 bytes */ key: string; problem: null }
  | { key: null; problem: string }

const KEY_BYTES = 32

/** `file`: the key file. `vaultFiles`: a vault (or a backup of one) that an older key may have closed. */
export async function vaultKey(storage: SafeStorageLike, file: string, vaultFiles: string[]): Promise<VaultKey> {
  if (!(await canEncrypt(storage))) {
    return none('This computer has no key store (keychain, keyring) that the app can use')
  }
  try {
    const kept = await readFile(file).catch(nullIfAbsent)
    if (kept !== null) return { key: await opened(storage, file, kept), problem: null }
    if (await anyExists(vaultFiles)) return none('The key of the vault is not where the app keeps it', LOCKED)
    return await made(storage, file).then((key) => ({ key, problem: null }), () => none('A key could not be kept by the key store'))
  } catch {
    return none('The key store did not give the key of the vault back', LOCKED)
  }
}

/** The names under which the sidecar keeps its vault, below its data folder. */
export const vaultFilesIn = (dataDir: string): string[] =>
  ['keys.vault', 'keys.vault.1', 'keys.vault.2', 'keys.vault.3'].map((name) => join(dataDir, 'vault', name))

async function canEncrypt(storage: SafeStorageLike): Promise<boolean> {
  if (process.platform === 'linux' && storage.getSelectedStorageBackend?.() === 'basic_text') return false
  return storage.isAsyncEncryptionAvailable().catch(() => false)
}

async function opened(storage: SafeStorageLike, file: string, kept: Buffer): Promise<string> {
  const first = await storage.decryptStringAsync(kept)
  const key = checked(first.result)
  if (first.shouldReEncrypt) {
    await write(file, await storage.encryptStringAsync(key)).catch(() => undefined) // The old one still opens it.
  }
  return key
}

async function made(storage: SafeStorageLike, file: string): Promise<string> {
  const key = randomBytes(KEY_BYTES).toString('base64')
  await mkdir(dirname(file), { recursive: true })
  await write(file, await storage.encryptStringAsync(key))
  const back = await storage.decryptStringAsync(await readFile(file))
  if (back.result !== key) {
    await rm(file, { force: true })
    throw new Error('The key store gave back another key.')
  }
  return key
}

function checked(key: string): string {
  if (Buffer.from(key, 'base64').length !== KEY_BYTES) throw new Error('The key file holds no key.')
  return key
}

/** All of it or nothing, for this user alone. */
async function write(file: string, bytes: Buffer): Promise<void> {
  const beside = `${file}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, file)
}

async function anyExists(files: string[]): Promise<boolean> {
  const found = await Promise.all(files.map((file) => access(file, constants.F_OK).then(() => true, () => false)))
  return found.includes(true)
}

function nullIfAbsent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

const PLAIN = 'API keys are stored without encryption.'
const LOCKED = 'API keys that were stored before cannot be read; new ones are stored without encryption.'

const none = (why: string, effect = PLAIN): VaultKey => ({ key: null, problem: `${why}: ${effect}` })
