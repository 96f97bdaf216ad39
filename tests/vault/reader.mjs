// A reader of the vault in another language, from protocol/vault/README.md alone: `node reader.mjs vectors.json`.
// Opens every vault of the vectors with every key, refuses what is to be refused, and prints how many of each.

import { strict as assert } from 'node:assert'
import { createDecipheriv, createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'

const LABEL = 'llm-sidecar-vault/v1/'

const hkdf = (key, salt, name) => Buffer.from(hkdfSync('sha256', key, salt, LABEL + name, 32))
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()

const bind = (...parts) =>
  Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )

function unseal(key, box, associated) {
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(associated)
  decipher.setAuthTag(box.subarray(-16))
  try {
    return Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()])
  } catch {
    throw new Error('VAULT_TAMPERED')
  }
}

function open(text, kek) {
  const lines = text.split('\n')
  const signed = lines.slice(0, 2).join('\n') + '\n'
  const sums = /^([0-9a-f]{64}) ([0-9a-f]{64})$/.exec(lines[2] ?? '')
  if (lines.length !== 4 || lines[3] || !sums || createHash('sha256').update(signed).digest('hex') !== sums[1]) {
    throw new Error('VAULT_CORRUPT')
  }
  const header = JSON.parse(lines[0])
  if (header.magic !== 'llm-sidecar-vault') throw new Error('VAULT_CORRUPT')
  if (header.version > 1) throw new Error('VAULT_NEWER')
  const vaultId = Buffer.from(header.vault_id, 'base64')
  const kcv = hmac(hkdf(kek, vaultId, 'commit'), vaultId)
  const slot = header.slots.find((each) => timingSafeEqual(Buffer.from(each.kcv, 'base64'), kcv))
  if (!slot) throw new Error('VAULT_WRONG_KEY')
  const wrapped = Buffer.from(slot.wrapped_dek, 'base64')
  const dek = unseal(hkdf(kek, vaultId, 'wrap'), wrapped, bind(LABEL + 'dek', vaultId, slot.kek_id))
  if (!timingSafeEqual(hmac(hkdf(dek, vaultId, 'mac'), signed), Buffer.from(sums[2], 'hex'))) {
    throw new Error('VAULT_TAMPERED')
  }
  const { records } = JSON.parse(lines[1])
  const get = (profileId, field, origin) => {
    const { kid, box } = records[`${profileId}/${field}`]
    const purpose = bind(LABEL + 'record', vaultId, kid, profileId, field, origin)
    return unseal(hkdf(dek, vaultId, 'enc'), Buffer.from(box, 'base64'), purpose).toString('utf8')
  }
  return { count: Object.keys(records).length, dek, get }
}

const vectors = JSON.parse(readFileSync(process.argv[2], 'utf8'))
let read = 0
for (const vault of vectors.vaults) {
  for (const { kek } of vault.keys) {
    const opened = open(vault.file, Buffer.from(kek, 'hex'))
    assert.equal(opened.dek.toString('hex'), vault.dek)
    assert.equal(opened.count, vault.records.length)
    for (const { profileId, field, origin, plaintext } of vault.records) {
      assert.equal(opened.get(profileId, field, origin), plaintext)
      assert.throws(() => opened.get(profileId, field, origin + '0'), /VAULT_TAMPERED/)
      read += 1
    }
  }
}
for (const { file, kek, error } of vectors.refused) {
  assert.throws(() => open(file, Buffer.from(kek, 'hex')), { message: error })
}
console.log(JSON.stringify({ read, refused: vectors.refused.length }))
