import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const GENERATED = join(ROOT, '../../protocol/types.ts')

// Where the folder was taken out of the sidecar's repository there is nothing to compare with.
test.skipIf(!existsSync(GENERATED))('the types of the protocol are those the sidecar generates (`npm run protocol`)', () => {
  const copy = readFileSync(join(ROOT, 'src/shared/protocol.ts'), 'utf8')
  expect(copy === readFileSync(GENERATED, 'utf8')).toBe(true)
})
